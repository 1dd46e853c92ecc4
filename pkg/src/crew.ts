import type { Analysis } from './analysis.js';
import type { Call } from './call.js';
import type { EngineFiles } from './engine.js';
import { PieError } from './error.js';
import { load } from './load.js';
import type { Platform } from './platform.js';
import { type Job, Queue } from './queue.js';
import type { Runner } from './runner.js';
import { Thread } from './thread.js';
import type { LoadOptions, ModelInfo } from './types.js';

const crews = new Set<Crew>();

// Analyses have workers of their own, so that no prompt waits for one, and they end with it, which is what gives its memory back.
const ANALYSES_AT_ONCE = 4;
const analyses = new Set<Promise<unknown>>();

/** Loads an engine into workers; loads of the same files share them. */
export function loadInWorkers(options: LoadOptions | undefined, platform: Platform): Promise<Runner> {
  return load(options, platform, (pool, signal) => {
    // Its script comes while the files do, unless there are workers that may serve.
    let first = crews.size === 0 ? Thread.create() : undefined;
    signal.addEventListener('abort', () => first?.stop());
    return (files) => {
      let crew = [...crews].find((crew) => crew.has(files, pool));
      if (crew) first?.stop();
      else crew = new Crew(files, pool, first);
      first = undefined;
      return crew.join(signal);
    };
  });
}

/** Workers that have the same files, and the queue they work off; gone with the last one who joined. */
class Crew {
  readonly #files: EngineFiles;
  readonly #queue = new Queue();
  readonly #threads: (Thread | undefined)[];
  readonly #info: Promise<ModelInfo>;
  #members = 0;

  constructor(files: EngineFiles, size: number, first: Thread | undefined) {
    this.#files = files;
    this.#threads = Array(size).fill(undefined);
    this.#threads[0] = first;
    this.#info = Promise.all(this.#threads.map((_, place) => this.#start(place))).then(([info]) => {
      for (const place of this.#threads.keys()) void this.#work(place);
      return info!;
    });
    this.#info.catch(() => this.#close());
    crews.add(this);
  }

  /** The downloads hand out the same objects while anyone holds them: the same files are the same objects. */
  has({ module, model, taxonomy }: EngineFiles, size: number): boolean {
    const own = this.#files;
    return own.module === module && own.model === model && own.taxonomy === taxonomy && this.#threads.length === size;
  }

  async join(signal: AbortSignal): Promise<Runner> {
    this.#members++;
    try {
      const info = await Promise.race([this.#info, rejection(signal)]);
      return {
        info,
        run: (calls, signal, answered) => this.#run(calls, signal, answered),
        analyse: (analysis, signal) => inTurn(() => analyse(this.#files.module, analysis, signal), signal),
        forget: (id) => this.#threads.forEach((thread) => thread?.forget(id)),
        free: () => this.#leave(),
      };
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  #leave(): void {
    if (--this.#members === 0) this.#close();
  }

  #close(): void {
    crews.delete(this);
    for (const thread of this.#threads) thread?.stop();
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

  /** Works the queue off with one worker, and with another where that one died; ends where nobody is left to work for. */
  async #work(place: number): Promise<void> {
    while (crews.has(this)) {
      const piece = await this.#queue.take();
      const { job, index, again } = piece;
      let called = false;
      try {
        if (!this.#threads[place]!.alive) await this.#start(place);
        called = true;
        job.answer(index, await this.#threads[place]!.call(job.calls[index]!));
      } catch (error) {
        const thread = this.#threads[place]!;
        if (called && !thread.alive && !again) this.#queue.putBack(piece);
        else job.fail(error);
        // After a trap the engine's memory is in doubt.
        if (error instanceof PieError && error.code === 'internal') thread.stop();
      }
    }
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

async function analyse(module: WebAssembly.Module, analysis: Analysis, signal: AbortSignal): Promise<unknown> {
  const thread = Thread.create();
  try {
    return await Promise.race([thread.analyse(module, analysis), rejection(signal)]);
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
