import type { Step } from './analysis.js';
import { toCallError } from './call.js';
import { prepare } from './engine.js';

/** What the page sends: a request, answered under its id, or what to forget or to prepare, which have no answer. */
type Message<Request> = ({ id: number } & Request) | { forget: number } | { prepare: WebAssembly.Module };

declare const self: {
  onmessage: ((event: MessageEvent<Message<unknown>>) => void) | null;
  postMessage(message: unknown, transfer?: Transferable[]): void;
};

/** What a worker does for the page: it answers requests, and forgets what was made under a number. */
export function serve<Request>(answer: (request: Request, step: Step) => unknown, forget: (id: number) => void): void {
  self.onmessage = async ({ data }) => {
    if ('forget' in data) return forget(data.forget);
    if ('prepare' in data) return prepare(data.prepare);
    try {
      const given = await answer(data as Request, (...step) => self.postMessage({ id: data.id, step }));
      self.postMessage({ id: data.id, answer: given }, buffers(given));
    } catch (error) {
      self.postMessage({ id: data.id, error: toCallError(error) });
    }
  };
  void lock().then((lock) => self.postMessage({ lock }));
}

function buffers(answer: unknown): Transferable[] {
  const { data, bytes = [] } = Object(answer) as { data?: unknown; bytes?: Uint8Array<ArrayBuffer>[] };
  return [data, ...bytes].flatMap((view) => (ArrayBuffer.isView(view) ? [view.buffer as ArrayBuffer] : []));
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
