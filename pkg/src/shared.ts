/** Told as work goes on: bytes so far, and in all where that is known. */
export type Report = (loaded: number, total: number | undefined) => void;

type Work<T> = (signal: AbortSignal, report: Report) => Promise<T>;

/** One piece of work with several callers waiting: stopped when the last of them has left. */
class Running<T> {
  readonly #stop = new AbortController();
  readonly #reports = new Set<Report>();
  readonly #result: Promise<T>;
  readonly #ended: () => void;
  #latest: Parameters<Report> | undefined;

  constructor(work: Work<T>, ended: () => void) {
    this.#ended = ended;
    this.#result = work(this.#stop.signal, (...progress) => {
      this.#latest = progress;
      for (const report of this.#reports) report(...progress);
    });
    this.#result.then(ended, ended);
  }

  async join(signal: AbortSignal, report: Report): Promise<T> {
    // A function of its own, since two callers may bring the same one.
    const listener: Report = (...progress) => report(...progress);
    this.#reports.add(listener);
    if (this.#latest) listener(...this.#latest);
    let leave = () => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(signal.reason);
      signal.addEventListener('abort', leave);
    });
    try {
      return await Promise.race([this.#result, left]);
    } finally {
      signal.removeEventListener('abort', leave);
      this.#reports.delete(listener);
      if (this.#reports.size === 0) {
        this.#ended();
        this.#stop.abort();
      }
    }
  }
}

/**
 * Work by key: who asks for what is under way waits for it, and what failed is done anew for the next caller.
 * A caller whose signal aborts leaves with the signal's reason.
 */
export class Shared<T> {
  readonly #running = new Map<string, Running<T>>();

  async join(key: string, work: Work<T>, signal: AbortSignal, report: Report): Promise<T> {
    signal.throwIfAborted();
    let running = this.#running.get(key);
    if (!running) {
      const started: Running<T> = new Running(work, () => {
        if (this.#running.get(key) === started) this.#running.delete(key);
      });
      this.#running.set(key, (running = started));
    }
    return running.join(signal, report);
  }
}
