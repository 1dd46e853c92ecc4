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

/** Gives workers their work: prompts before long lists, lists by turns, and none of them waiting for ever. */
export class Queue {
  readonly #again: Piece[] = [];
  readonly #prompts: Job[] = [];
  readonly #lists: Job[] = [];
  readonly #idle: ((piece: Piece) => void)[] = [];
  #promptsInARow = 0;

  add(job: Job): void {
    (job.calls.length === 1 ? this.#prompts : this.#lists).push(job);
    this.#serve();
  }

  /** Takes back what a worker could not do, for the next one to do first. */
  putBack({ job, index }: Piece): void {
    this.#again.push({ job, index, again: true });
    this.#serve();
  }

  take(): Promise<Piece> {
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#serve();
    });
  }

  #serve(): void {
    while (this.#idle.length > 0) {
      const piece = this.#again.shift() ?? this.#next();
      if (!piece) return;
      if (!piece.job.over) this.#idle.shift()!(piece);
    }
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
