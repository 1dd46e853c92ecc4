import { type Call, toCallError } from './call.js';

/** What the page sends. Every message but `forget` is answered, under its id. */
export type ToWorker<Start = unknown> = { id: number; start: Start } | { id: number; call: Call } | { forget: number };

/** What answers calls in a worker. */
export interface Answerer {
  answer(call: Call): unknown;
  forget(tagger: number): void;
}

declare const self: {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: unknown, transfer?: Transferable[]): void;
};

/** What a worker does for the page: it takes the files of an engine once, then answers calls. */
export function serve<Start>(begin: (start: Start) => Promise<{ host: Answerer; answer: unknown }>): void {
  let host: Answerer | undefined;
  self.onmessage = async ({ data }) => {
    if ('forget' in data) return host?.forget(data.forget);
    try {
      let answer;
      if ('start' in data) ({ host, answer } = await begin(data.start as Start));
      else answer = await host!.answer(data.call);
      self.postMessage({ id: data.id, answer }, buffers(answer));
    } catch (error) {
      self.postMessage({ id: data.id, error: toCallError(error) });
    }
  };
  void lock().then((lock) => self.postMessage({ lock }));
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
