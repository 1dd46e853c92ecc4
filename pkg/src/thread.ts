import type { Analysis, Step } from './analysis.js';
import { type Call, type CallError, Given, lengthOf, type SentCall } from './call.js';
import { type Files, lend } from './content.js';
import type { EngineFiles } from './engine.js';
import { NO_FILES, PieError } from './error.js';
import type { GpuRequest } from './gpu-worker.js';
import type { ModelInfo } from './types.js';
import type { Request, Started } from './worker.js';

// A worker that gives no answer for so long, and a second more a text or vector, is given up. Of one that ends before its first word
// there is no other sign: its lock is not taken yet, and its script may still be on the way.
const PATIENCE_MS = 60_000;
const PATIENCE_PER_TEXT_MS = 1_000;
// Compiling shaders takes some devices their time.
const GPU_PATIENCE_MS = 180_000;

interface Waiting {
  id: number;
  timer: ReturnType<typeof setTimeout>;
  step: Step | undefined;
  resolve(answer: unknown): void;
  reject(error: PieError): void;
}

/** What is asked, under its number. */
type Ask = (id: number) => { id: number } & (Request | GpuRequest);

type Message = { lock: string | undefined } | { id: number; answer: unknown } | { id: number; step: Parameters<Step> } | { id: number; error: CallError };

/** One worker, which is asked one thing at a time. Once it is not `alive`, what it was asked has failed, and all else will. */
export class Thread {
  alive = true;
  readonly #worker: Worker;
  readonly #stopped = new AbortController();
  readonly #given = new Given();
  readonly #ready: Promise<unknown>;
  #asked = 0;
  #waiting: Waiting | undefined;

  private constructor(script: string, worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<Message>) => this.#hear(data);
    // Not every browser has this one as a property.
    worker.addEventListener('messageerror', () => this.#die('what it said could not be read'));
    worker.onerror = (event) => {
      event.preventDefault();
      const served = 'it must be served beside the other files of dist/, and a policy needs "worker-src \'self\'"';
      this.#die(event.message ?? `${script} of this package could not be loaded: ${served}`);
    };
    this.#ready = this.#wait(0, PATIENCE_MS);
    // Told by `start`; until then nobody may be listening.
    this.#ready.catch(() => {});
  }

  static create(): Thread {
    return Thread.#of('worker.js', () => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }));
  }

  static createWithGpu(): Thread {
    return Thread.#of('gpu-worker.js', () => new Worker(new URL('./gpu-worker.js', import.meta.url), { type: 'module' }));
  }

  static #of(script: string, create: () => Worker): Thread {
    try {
      return new Thread(script, create());
    } catch (error) {
      const why = import.meta.url === undefined ? NO_FILES : error instanceof Error ? error.message : String(error);
      throw new PieError('worker_failed', `the worker could not be started: ${why}`, { cause: error });
    }
  }

  /** Lets the worker do what it can before the files are there. */
  prepare(module: WebAssembly.Module): void {
    if (this.alive) this.#worker.postMessage({ prepare: module });
  }

  /** Gives the worker an engine, after which it can be called. */
  async start(files: Files): Promise<ModelInfo> {
    await this.#up();
    return lend(files, (lent) => this.#handOver(lent, PATIENCE_MS));
  }

  /** The same for a worker with the GPU, which says from how many texts on that is faster. */
  async startGpu(files: Files, gpu: WebAssembly.Module, measure: boolean): Promise<{ info: ModelInfo; from: number }> {
    await this.#up();
    // What may take its time is not done while it has the files, which others wait for.
    await this.#ask((id) => ({ id, gpu }), GPU_PATIENCE_MS);
    const info = await lend(files, (lent) => this.#handOver(lent, GPU_PATIENCE_MS));
    const from = (await this.#ask((id) => ({ id, measure }), GPU_PATIENCE_MS)) as number;
    return { info, from };
  }

  async call(call: Call): Promise<unknown> {
    const sent = this.#given.toSend(call);
    const patienceMs = PATIENCE_MS + lengthOf(call) * PATIENCE_PER_TEXT_MS;
    const transfer: Transferable[] = 'index' in sent ? [sent.index.data.buffer] : [];
    let own = sent;
    if (!Array.isArray(sent.input)) {
      // Posting a subarray would clone its whole buffer. The original stays here for a retry on another worker.
      const data = sent.input.data.slice();
      transfer.push(data.buffer);
      own = { ...sent, input: { ...sent.input, data } } as SentCall;
    }
    const answer = await this.#ask((id) => ({ id, call: own }), patienceMs, transfer);
    this.#given.answered(sent);
    return answer;
  }

  /** Has an analysis done, for which the worker needs no engine. */
  async analyse(module: WebAssembly.Module, analysis: Analysis, step: Step): Promise<unknown> {
    await this.#up();
    const patienceMs = PATIENCE_MS + analysis.vectors.dims[0] * PATIENCE_PER_TEXT_MS;
    // The vectors are this call's own copy, so they can be transferred.
    return this.#ask((id) => ({ id, module, analysis }), patienceMs, [analysis.vectors.data.buffer as ArrayBuffer], step);
  }

  forget(id: number): void {
    if (this.alive) this.#worker.postMessage({ forget: id });
  }

  stop(): void {
    this.#die('it was stopped');
  }

  async #up(): Promise<void> {
    const lock = (await this.#ready) as string | undefined;
    // Whoever gets the worker's lock knows that the worker is no more.
    if (lock) void navigator.locks.request(lock, { signal: this.#stopped.signal }, () => this.#die('it was ended')).catch(() => {});
  }

  /** Hands the files' bytes over, and takes them back with the answer. */
  async #handOver(lent: EngineFiles, patienceMs: number): Promise<ModelInfo> {
    const files = [lent.model, lent.taxonomy].filter((file) => file !== null);
    const transfer = files.map(({ bytes }) => bytes.buffer);
    const { info, bytes } = (await this.#ask((id) => ({ id, start: lent }), patienceMs, transfer)) as Started;
    for (const [n, file] of files.entries()) file.bytes = bytes[n]!;
    return info;
  }

  #ask(request: Ask, patienceMs: number, transfer: Transferable[] = [], step?: Step): Promise<unknown> {
    const id = ++this.#asked;
    // First, since nobody waits for the answer to what cannot be sent.
    if (this.alive) this.#worker.postMessage(request(id), transfer);
    return this.#wait(id, patienceMs, step);
  }

  #wait(id: number, patienceMs: number, step?: Step): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (!this.alive) return reject(new PieError('worker_failed', 'the worker is no more'));
      const timer = setTimeout(() => this.#die(`no answer for ${patienceMs / 1000} s`), patienceMs);
      this.#waiting = { id, timer, step, resolve, reject };
    });
  }

  #hear(message: Message): void {
    const waiting = this.#waiting;
    if (waiting?.id !== ('lock' in message ? 0 : message.id)) return;
    if ('step' in message) return waiting.step?.(...message.step);
    this.#waiting = undefined;
    clearTimeout(waiting.timer);
    if ('error' in message) waiting.reject(new PieError(message.error.code, message.error.message));
    else waiting.resolve('lock' in message ? message.lock : message.answer);
  }

  #die(why: string): void {
    if (!this.alive) return;
    this.alive = false;
    this.#stopped.abort();
    this.#worker.terminate();
    if (!this.#waiting) return;
    clearTimeout(this.#waiting.timer);
    this.#waiting.reject(new PieError('worker_failed', `the worker failed: ${why}`));
    this.#waiting = undefined;
  }
}
