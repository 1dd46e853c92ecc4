// What runs in the worker: takes the files of an engine, then answers calls; or does one analysis without an engine.
import { type Analysis, analyse } from './analysis.js';
import { Host, type SentCall, toCallError } from './call.js';
import { type EngineFiles, instantiate, makeEngine } from './engine.js';

/** What the page sends. Every message but `forget` is answered, under its id. */
export type ToWorker =
  | { id: number; start: EngineFiles }
  | { id: number; call: SentCall }
  | { id: number; module: WebAssembly.Module; analysis: Analysis }
  | { forget: number };

declare const self: {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: unknown, transfer?: Transferable[]): void;
};

let host: Host | undefined;

self.onmessage = async ({ data }) => {
  if ('forget' in data) return host?.forget(data.forget);
  try {
    const answer =
      'start' in data ? await start(data.start)
      : 'call' in data ? host!.answer(data.call)
      : (await instantiate(data.module), analyse(data.analysis));
    self.postMessage({ id: data.id, answer }, buffers(answer));
  } catch (error) {
    self.postMessage({ id: data.id, error: toCallError(error) });
  }
};

async function start(files: EngineFiles): Promise<unknown> {
  const engine = await makeEngine(files);
  host = new Host(engine);
  return engine.info();
}

function buffers(answer: unknown): Transferable[] {
  const { data } = Object(answer) as { data?: unknown };
  return data instanceof Float32Array ? [data.buffer as ArrayBuffer] : [];
}

/** Takes a lock that only the worker's end gives up: a page hears of that end in no other way. */
async function lock(): Promise<string | undefined> {
  try {
    const name = `pie-embed-wasm ${crypto.randomUUID()}`;
    await new Promise<void>((held, refused) => {
      navigator.locks.request(name, () => (held(), new Promise<never>(() => {}))).catch(refused);
    });
    return name;
  } catch {
    // Not a secure context, or one without storage.
    return undefined;
  }
}

void lock().then((lock) => self.postMessage({ lock }));
