import type { Analysis, Step } from './analysis.js';
import { type Call, isOfTexts, lengthOf } from './call.js';
import type { Files } from './content.js';
import { PieError } from './error.js';
import { load, type Wish } from './load.js';
import { TEXTS_AT_ONCE } from './pieces.js';
import type { Platform } from './platform.js';
import { type Job, type Piece, Queue } from './queue.js';
import type { Runner } from './runner.js';
import { Thread } from './thread.js';
import type { Embeddings, LoadOptions, ModelInfo, TextOrChat } from './types.js';

const crews = new Set<Crew>();

// Analyses have workers of their own, so that no prompt waits for one, and they end with it, which is what gives its memory back.
const ANALYSES_AT_ONCE = 4;
const analyses = new Set<Promise<unknown>>();

/** Loads an engine into workers; loads of the same files share them. */
export function loadInWorkers(options: LoadOptions | undefined, platform: Platform): Promise<Runner> {
  return load(options, platform, (wish, signal, module) => {
    // Its script comes while the files do, unless there are workers that may serve.
    let first = crews.size === 0 && wish.device !== 'webgpu' ? Thread.create() : undefined;
    signal.addEventListener('abort', () => first?.stop());
    // One that fails is told by who waits for it.
    void module.then((module) => first?.prepare(module), () => {});
    return (files) => {
      let crew = [...crews].find((crew) => crew.has(files, wish));
      if (crew) first?.stop();
      else crew = new Crew(files, wish, first);
      first = undefined;
      return crew.join(signal, wish.onFallback);
    };
  });
}

// What the GPU is given in one go: so many pieces of a list, once it has shown that it takes no longer over them than this.
const GPU_PIECES = 64;
const GPU_CALL_MS = 2_000;

/** Workers that have the same files, and the queue they work off; gone with the last one who joined. */
class Crew {
  readonly #files: Files;
  readonly #device: Wish['device'];
  readonly #queue = new Queue();
  readonly #threads: (Thread | undefined)[];
  readonly #info: Promise<ModelInfo>;
  readonly #left = new AbortController();
  readonly #fallback = new Fallback();
  /** The worker with the GPU, while it has one. */
  #gpu: Thread | undefined;
  #members = 0;

  constructor(files: Files, { pool, device, gpu }: Wish, first: Thread | undefined) {
    this.#files = files;
    this.#device = device;
    this.#threads = Array(pool).fill(undefined);
    this.#threads[0] = first;
    this.#info = device === 'webgpu' ? this.#startGpu(gpu, false) : this.#startThreads();
    this.#info.catch(() => this.#close());
    if (device === 'auto') this.#info.then(() => this.#startGpu(gpu, true)).catch((error) => this.#fallBack(error));
    crews.add(this);
  }

  /** The downloads hand out the same objects while anyone holds them: the same files are the same objects. */
  has({ module, model, taxonomy }: Files, { pool, device }: Wish): boolean {
    const own = this.#files;
    const same = own.module === module && own.model === model && own.taxonomy === taxonomy;
    return same && this.#threads.length === pool && this.#device === device;
  }

  async join(signal: AbortSignal, onFallback: Wish['onFallback']): Promise<Runner> {
    this.#members++;
    const forget = this.#fallback.tell(onFallback);
    const device = () => (this.#gpu ? 'webgpu' : 'wasm');
    try {
      const info = await Promise.race([this.#info, rejection(signal)]);
      return {
        get info() {
          return { ...info, device: device() } as ModelInfo;
        },
        run: (calls, signal, answered) => this.#run(calls, signal, answered),
        analyse: (analysis, signal, step) => inTurn(() => analyse(this.#files.module, analysis, signal, step), signal),
        forget: (id) => [...this.#threads, this.#gpu].forEach((thread) => thread?.forget(id)),
        free: () => {
          forget();
          this.#leave();
        },
      };
    } catch (error) {
      forget();
      this.#leave();
      throw error;
    }
  }

  #leave(): void {
    if (--this.#members === 0) this.#close();
  }

  #close(): void {
    crews.delete(this);
    this.#left.abort();
    for (const thread of [...this.#threads, this.#gpu]) thread?.stop();
    this.#gpu = undefined;
  }

  #run(calls: Call[], signal: AbortSignal, answered: (call: Call) => void): Promise<unknown[]> {
    return new Promise((resolve, reject) => {
      const answers: unknown[] = Array(calls.length);
      let missing = calls.length;
      const job: Job = {
        calls,
        next: 0,
        over: false,
        answer(index, answer) {
          if (job.over) return;
          answers[index] = answer;
          answered(calls[index]!);
          if (--missing > 0) return;
          job.over = true;
          resolve(answers);
        },
        fail(error) {
          job.over = true;
          reject(error);
        },
      };
      signal.addEventListener('abort', () => job.fail(signal.reason));
      this.#queue.add(job);
    });
  }

  /** The first worker is enough to begin with; each of the others joins it once it is up. */
  async #startThreads(): Promise<ModelInfo> {
    const info = await this.#start(0);
    void this.#work(0);
    for (let place = 1; place < this.#threads.length && crews.has(this); place++) {
      // One that does not start is tried again when there is work for it.
      void this.#start(place).then(() => this.#work(place), () => this.#work(place, true));
    }
    return info;
  }

  async #start(place: number): Promise<ModelInfo> {
    const waiting = this.#threads[place];
    const thread = waiting?.alive ? waiting : Thread.create();
    this.#threads[place] = thread;
    try {
      return await thread.start(this.#files);
    } catch (error) {
      thread.stop();
      throw error;
    }
  }

  async #startGpu(load: Wish['gpu'], measure: boolean): Promise<ModelInfo> {
    if (!('gpu' in navigator)) throw new PieError('no_webgpu', 'this browser has no WebGPU, or it is switched off');
    const gpu = await load(this.#left.signal);
    const thread = Thread.createWithGpu();
    try {
      const { info, from } = await thread.startGpu(this.#files, gpu, measure);
      if (from > 0 && crews.has(this)) {
        this.#gpu = thread;
        void this.#workOnGpu(thread, measure ? Math.max(2, Math.ceil(from / TEXTS_AT_ONCE)) : 1);
      } else {
        thread.stop();
      }
      return info;
    } catch (error) {
      thread.stop();
      throw error;
    }
  }

  /** From here on without the GPU. */
  #fallBack(error: unknown): void {
    this.#gpu?.stop();
    this.#gpu = undefined;
    if (!crews.has(this)) return;
    this.#fallback.say(error);
    // Those who asked for the GPU alone have no other workers yet.
    if (this.#device === 'webgpu') for (const place of this.#threads.keys()) void this.#work(place);
  }

  /** Works the queue off with one worker, and with another where that one died or failed to start; ends with the crew. */
  async #work(place: number, failed = false): Promise<void> {
    while (crews.has(this)) {
      const thread = this.#threads[place];
      if (!thread?.alive) {
        failed = await this.#replace(place, failed);
        continue;
      }
      const piece = await this.#queue.take();
      const { job, index, again } = piece;
      // It may have died while it had nothing to do.
      if (!thread.alive) {
        this.#queue.putBack([piece], again);
        continue;
      }
      try {
        job.answer(index, await thread.call(job.calls[index]!));
      } catch (error) {
        if (!thread.alive && !again) this.#queue.putBack([piece], true);
        else job.fail(error);
        // After a trap the engine's memory is in doubt.
        if (error instanceof PieError && error.code === 'internal') thread.stop();
      }
    }
  }

  /** Starts a worker for what the others leave waiting; after a start that failed, for what is new. Whether this one failed too. */
  async #replace(place: number, failed: boolean): Promise<boolean> {
    await this.#queue.wanted(failed);
    if (!crews.has(this)) return false;
    try {
      await this.#start(place);
      return false;
    } catch (error) {
      if (this.#threads.some((thread) => thread?.alive)) return true;
      // Nobody else can do it.
      this.#queue.poll()?.job.fail(error);
      return false;
    }
  }

  /** Works lists off with the GPU, many pieces in one call; what it fails at, the others do. */
  async #workOnGpu(thread: Thread, least: number): Promise<void> {
    let most = least;
    while (crews.has(this) && thread.alive) {
      const pieces = await this.#queue.takeMany(least, most);
      const start = performance.now();
      const [{ job, index }] = pieces as [Piece];
      // Only calls with texts can be joined, and only they gain from the GPU.
      if (!isOfTexts(job.calls[index]!)) this.#queue.putBack(pieces.splice(1), false);
      try {
        const answers = split(pieces, await thread.call(joined(pieces)));
        for (const [n, { job, index }] of pieces.entries()) job.answer(index, answers[n]);
        // A worker that is slow must not run out of patience for want of an answer.
        const slow = performance.now() - start > GPU_CALL_MS;
        most = slow ? Math.max(least, most >> 1) : Math.min(GPU_PIECES, Math.max(most, 2 * pieces.length));
      } catch (error) {
        const code = error instanceof PieError ? error.code : 'internal';
        if (thread.alive && code !== 'gpu_failed' && code !== 'internal') {
          pieces[0]!.job.fail(error);
        } else {
          this.#fallBack(error);
          this.#queue.putBack(pieces, false);
        }
      }
    }
  }
}

/** Several pieces of one list of texts as one call. */
function joined(pieces: Piece[]): Call {
  const calls = pieces.map(({ job, index }) => job.calls[index]!);
  if (calls.length === 1) return calls[0]!;
  return { ...calls[0]!, input: calls.flatMap(({ input }) => (Array.isArray(input) ? (input as TextOrChat[]) : [])) } as Call;
}

/** The answer to such a call, as one a piece. */
function split(pieces: Piece[], answer: unknown): unknown[] {
  if (pieces.length === 1) return [answer];
  let last = 0;
  return pieces.map(({ job, index }) => {
    const first = last;
    last += lengthOf(job.calls[index]!);
    if (Array.isArray(answer)) return answer.slice(first, last);
    const { data, dims, truncated, unread } = answer as Embeddings;
    const part: Embeddings = {
      data: data.slice(first * dims[1], last * dims[1]),
      dims: [last - first, dims[1]],
      truncated: truncated.slice(first, last),
      unread: unread.slice(first, last),
    };
    return part;
  });
}

/** Tells everyone once that the GPU is not used, also those who come later. */
class Fallback {
  readonly #listeners = new Set<(error: PieError) => void>();
  #error: PieError | undefined;

  tell(listener: Wish['onFallback']): () => void {
    if (!listener) return () => {};
    // A function of its own, since two callers may bring the same one.
    const own = (error: PieError) => listener(error);
    if (this.#error) queueMicrotask(() => own(this.#error!));
    else this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  say(error: unknown): void {
    if (this.#error) return;
    this.#error = error instanceof PieError ? error : new PieError('gpu_failed', String(error), { cause: error });
    for (const listener of this.#listeners) queueMicrotask(() => listener(this.#error!));
    this.#listeners.clear();
  }
}

async function inTurn(work: () => Promise<unknown>, signal: AbortSignal): Promise<unknown> {
  while (analyses.size >= ANALYSES_AT_ONCE) await Promise.race([...analyses, rejection(signal)]);
  const working = work();
  // What becomes of it is for its caller to hear.
  const over = working.catch(() => {});
  analyses.add(over);
  try {
    return await working;
  } finally {
    analyses.delete(over);
  }
}

async function analyse(module: WebAssembly.Module, analysis: Analysis, signal: AbortSignal, step: Step): Promise<unknown> {
  const thread = Thread.create();
  try {
    return await Promise.race([thread.analyse(module, analysis, step), rejection(signal)]);
  } finally {
    thread.stop();
  }
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}
