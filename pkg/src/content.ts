import type { EngineFiles, Lent } from './engine.js';
import { PieError } from './error.js';

type Bytes = Uint8Array<ArrayBuffer>;

/** Where bytes came from. */
export interface Origin {
  /** The same bytes once more. */
  again(): Promise<Bytes>;
  /** Sees to it that they can be had again whatever becomes of the network; false where that cannot be. */
  keep(bytes: Bytes): Promise<boolean>;
  /** How long that is put off: the first text is not to wait for a disk. */
  keepAfterMs: number;
}

/**
 * A file's bytes. A worker takes them over, which saves a copy, and hands them back when it has made of them what it needs; once they
 * are kept elsewhere none are held here. Who loads a file again gets the same object for as long as anybody has it.
 */
export class Content {
  readonly size: number;
  readonly sha256: string | undefined;
  readonly #origin: Origin;
  #bytes: Bytes | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(bytes: Bytes, sha256: string | undefined, origin: Origin) {
    this.size = bytes.length;
    this.sha256 = sha256;
    this.#origin = origin;
    this.#bytes = bytes;
  }

  /** The bytes for one user after another; held no longer than by the last of them where they can be had again. */
  lend<T>(use: (lent: Lent) => Promise<T>): Promise<T> {
    const lending = this.#inTurn(async () => {
      const lent: Lent = { bytes: this.#bytes ?? (await this.#origin.again()), sha256: this.sha256 };
      this.#bytes = undefined;
      try {
        return await use(lent);
      } finally {
        // What was handed over and did not come back is empty.
        if (lent.bytes.length > 0) this.#bytes = lent.bytes;
      }
    });
    const settle = () => setTimeout(() => this.#inTurn(() => this.#settle()), this.#origin.keepAfterMs);
    void lending.then(settle, settle);
    return lending;
  }

  async #settle(): Promise<void> {
    if (this.#bytes && (await this.#origin.keep(this.#bytes))) this.#bytes = undefined;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}

/** What an engine is made of. */
export interface Files {
  module: WebAssembly.Module;
  model: Content;
  taxonomy: Content | null;
}

export async function lend<T>({ module, model, taxonomy }: Files, use: (files: EngineFiles) => Promise<T>): Promise<T> {
  // Of one address there is one content, which would wait for itself.
  if (taxonomy === model) throw new PieError('invalid_argument', 'the model and the taxonomy are the same file');
  return model.lend((model) =>
    taxonomy ? taxonomy.lend((taxonomy) => use({ module, model, taxonomy })) : use({ module, model, taxonomy: null }),
  );
}

/** Bytes of which nobody else has a copy: outside of the page's memory, where the browser may put them on disk. */
export function own(bytes: Bytes): Origin {
  const { length } = bytes;
  const blob = new Blob([bytes]);
  const again = async () => {
    try {
      return new Uint8Array(await blob.arrayBuffer());
    } catch (error) {
      throw new PieError('too_large', `the browser has not kept a file of ${length} bytes: load it again`, { cause: error });
    }
  };
  return { again, keep: async () => true, keepAfterMs: 0 };
}
