import type { Call } from './call.js';

// As many prompts as a piece of a list has texts: while there are many of both, each kind gets half of the engine.
const PROMPTS_IN_A_ROW = 8;

/** The calls that one caller waits for, and their answers so far. */
export interface Job {
  calls: Call[];
  /** The first call that nobody has taken. */
  next: number;
  /** Answered, failed or aborted: what of it is still queued is not worth doing. */
  over: boolean;
  answer(index: number, answer: unknown): void;
  fail(error: unknown): void;
}

/** One call of a job. */
export interface Piece {
  job: Job;
  index: number;
  /** A worker died over it. */
  again: boolean;
}

interface Idle {
  least: number;
  most: number;
  resolve(pieces: Piece[]): void;
}

/** Gives workers their work: prompts before long lists, lists by turns, and none of them waiting for ever. */
export class Queue {
  readonly #again: Piece[] = [];
  readonly #prompts: Job[] = [];
  readonly #lists: Job[] = [];
  readonly #idle: Idle[] = [];
  // Who would start a worker for what waits: those who have not tried, and those who failed.
  readonly #absent: (() => void)[] = [];
  readonly #failed: (() => void)[] = [];
  #promptsInARow = 0;

  add(job: Job): void {
    (job.calls.length === 1 ? this.#prompts : this.#lists).push(job);
    this.#serve();
    this.#call(this.#absent, this.#failed);
  }

  /** Takes back what a worker could not do, for the next one to do first. */
  putBack(pieces: Piece[], again: boolean): void {
    for (const { job, index } of pieces) this.#again.push({ job, index, again });
    this.#serve();
    this.#call(this.#absent, this.#failed);
  }

  async take(): Promise<Piece> {
    const [piece] = await this.#wait(1, 1);
    return piece!;
  }

  /** From `least` to `most` pieces of one list, for who is slow with few; with a `least` of 1, prompts too. */
  takeMany(least: number, most: number): Promise<Piece[]> {
    return this.#wait(least, most);
  }

  /** A piece that nobody has taken, where there is one. */
  poll(): Piece | undefined {
    return this.#few(1)[0];
  }

  /** Until there is more than who is there can take at once; for who has failed to come, not before there is something new. */
  wanted(failed: boolean): Promise<void> {
    return new Promise((resolve) => {
      (failed ? this.#failed : this.#absent).push(resolve);
      if (!failed) this.#call(this.#absent);
    });
  }

  /** Calls one of these, in this order, if anything waits. */
  #call(...lists: (() => void)[][]): void {
    const list = lists.find(({ length }) => length > 0);
    const waits = (job: Job) => !job.over;
    if (list && (this.#again.some(({ job }) => waits(job)) || this.#prompts.some(waits) || this.#lists.some(waits))) list.shift()!();
  }

  #wait(least: number, most: number): Promise<Piece[]> {
    return new Promise((resolve) => {
      this.#idle.push({ least, most, resolve });
      this.#serve();
      this.#call(this.#absent);
    });
  }

  #serve(): void {
    for (let at = 0; at < this.#idle.length; ) {
      const idle = this.#idle[at]!;
      const pieces = idle.least === 1 ? this.#few(idle.most) : this.#many(idle);
      if (pieces.length === 0) {
        at++;
      } else {
        this.#idle.splice(at, 1);
        idle.resolve(pieces);
      }
    }
  }

  #few(most: number): Piece[] {
    const pieces: Piece[] = [];
    for (let piece = this.#again.shift() ?? this.#next(); piece; piece = this.#again.shift() ?? this.#next()) {
      if (piece.job.over) continue;
      pieces.push(piece);
      if (most > 1) this.#more(piece.job, most - 1, pieces);
      break;
    }
    return pieces;
  }

  #many({ least, most }: Idle): Piece[] {
    const pieces: Piece[] = [];
    const job = this.#lists.find((job) => !job.over && job.calls.length - job.next >= least);
    if (job) this.#more(job, most, pieces);
    return pieces;
  }

  /** Up to `most` more pieces of a list. */
  #more(job: Job, most: number, pieces: Piece[]): void {
    for (let taken = 0; taken < most && job.next < job.calls.length; taken++) pieces.push({ job, index: job.next++, again: false });
    const place = this.#lists.indexOf(job);
    if (job.next === job.calls.length && place >= 0) this.#lists.splice(place, 1);
  }

  #next(): Piece | undefined {
    const prompt = this.#prompts.length > 0 && (this.#lists.length === 0 || this.#promptsInARow < PROMPTS_IN_A_ROW);
    this.#promptsInARow = prompt ? this.#promptsInARow + 1 : 0;
    const jobs = prompt ? this.#prompts : this.#lists;
    const job = jobs.shift();
    if (!job) return undefined;
    const index = job.next++;
    if (!job.over && job.next < job.calls.length) jobs.push(job);
    return { job, index, again: false };
  }
}
