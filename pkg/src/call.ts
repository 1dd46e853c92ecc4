import {
  type Engine, type EngineClassifyOptions, type EngineEmbedOptions, type EngineIndex, type EngineLabel, type EngineTagger, type EngineView,
  labelTexts, makeIndex, makeTagger,
} from './engine.js';
import { type ErrorCode, fromEngine } from './error.js';
import type { TextOrChat, Vectors } from './types.js';

// Rows of an index that are copied into the engine at once.
const ROWS_AT_ONCE = 16_384;
const NO_PARTS = new Uint32Array();

/** A tagger's file, of which any engine can make the tagger anew. */
export interface TaggerFile {
  id: number;
  bytes: Uint8Array<ArrayBuffer>;
}

/** An index's rows, and what became of them since a revision. */
export interface IndexRows {
  readonly id: number;
  /** The view of the rows, which those of a query must have. */
  readonly view: EngineView;
  readonly size: number;
  since(revision: number): IndexChange;
}

/** What makes of an index at an older revision that at this one; all of it, of none. */
export interface IndexChange {
  id: number;
  view: EngineView;
  revision: number;
  size: number;
  dimensions: number;
  /** Ascending; all that an older index of fewer rows lacks are among them. */
  rows: Uint32Array<ArrayBuffer>;
  data: Float32Array<ArrayBuffer>;
}

type CallOf<Index> =
  | { method: 'embed'; input: TextOrChat[]; options: EngineEmbedOptions }
  | ({ method: 'classify'; input: TextOrChat[] | Vectors; prompt: string | undefined; options: EngineClassifyOptions } & Parts)
  | { method: 'similarity'; input: [a: string, b: string]; options: EngineView }
  | { method: 'labelTexts'; labels: EngineLabel[]; input: [] }
  | { method: 'describe'; tagger: TaggerFile; input: [] }
  | { method: 'change'; tagger: TaggerFile; label: string; add: string[]; remove: string[]; input: [] }
  | ({ method: 'tag'; tagger: TaggerFile; view: EngineView; input: TextOrChat[] | Vectors; topK: number } & Parts)
  | ({ method: 'explain'; tagger: TaggerFile; view: EngineView; input: TextOrChat[] | Vectors } & Parts)
  | { method: 'search'; index: Index; input: string[] | Vectors; k: number };

/** Behind the texts stand their requests; of each of these the row of its text. */
interface Parts {
  parts?: Uint32Array;
}

/** A piece of work for any engine. */
export type Call = CallOf<IndexRows>;

/** The same for one engine, as plain data: it travels to a worker as it is. */
export type SentCall = CallOf<IndexChange>;

/** Whether a call has texts as its input; several such calls of one list can be joined into one. */
export const isOfTexts = ({ input }: Call) => Array.isArray(input) && input.length > 0;

/** How the texts of a call become the vectors that it is about; of another call, nothing. */
export function optionsOf(call: SentCall): EngineEmbedOptions | undefined {
  switch (call.method) {
    case 'classify':
      return { prompt: call.prompt };
    case 'tag':
    case 'explain':
      return call.view;
    case 'search':
      return call.index.view;
    default:
      return undefined;
  }
}

/** How many texts or vectors a call is about. */
export const lengthOf = ({ input }: Call) => (Array.isArray(input) ? input.length : input.dims[0]);

/** What one engine has been given: of a tagger that it has made the number is enough, of an index what it has not seen. */
export class Given {
  readonly #taggers = new Set<number>();
  readonly #revisions = new Map<number, number>();

  toSend(call: Call): SentCall {
    if (call.method === 'search') return { ...call, index: call.index.since(this.#revisions.get(call.index.id) ?? 0) };
    if (!('tagger' in call) || !this.#taggers.has(call.tagger.id)) return call;
    return { ...call, tagger: { id: call.tagger.id, bytes: new Uint8Array() } };
  }

  answered(call: SentCall): void {
    if ('tagger' in call) this.#taggers.add(call.tagger.id);
    if ('index' in call) this.#revisions.set(call.index.id, call.index.revision);
  }
}

/** The same call; where its texts may make several requests, with those behind them. */
export function withRequests(engine: Engine, call: SentCall): SentCall {
  if ((call.method !== 'classify' && call.method !== 'tag' && call.method !== 'explain') || !Array.isArray(call.input)) return call;
  const { texts, rows } = engine.requests(call.input);
  return { ...call, input: [...call.input, ...texts], parts: Uint32Array.from(rows) };
}

/** An engine with the taggers and indexes made on it, answering calls. */
export class Host {
  readonly #engine: Engine;
  readonly #taggers = new Map<number, EngineTagger>();
  readonly #indexes = new Map<number, EngineIndex>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  answer(given: SentCall): unknown {
    try {
      const call = withRequests(this.#engine, given);
      switch (call.method) {
        case 'embed':
          return this.#engine.embed(call.input, call.options);
        case 'classify':
          return this.#engine.classify(...this.#read(call), call.options, call.parts ?? NO_PARTS);
        case 'similarity':
          return this.#engine.similarity(...call.input, call.options);
        case 'labelTexts':
          return labelTexts(call.labels);
        case 'describe':
          return this.#tagger(call.tagger).describe();
        case 'change':
          return this.#tagger(call.tagger).change(call.label, call.add, call.remove);
        case 'tag':
          return this.#tagger(call.tagger).tag(...this.#read(call), call.topK, call.parts ?? NO_PARTS);
        case 'explain':
          return this.#tagger(call.tagger).explain(...this.#read(call), call.parts ?? NO_PARTS);
        case 'search':
          return this.#index(call.index).search(this.#read(call)[0], call.k);
      }
    } catch (error) {
      throw fromEngine(error);
    }
  }

  /** Frees the tagger or index of this number. */
  forget(id: number): void {
    for (const made of [this.#taggers, this.#indexes]) {
      made.get(id)?.free();
      made.delete(id);
    }
  }

  free(): void {
    for (const made of [this.#taggers, this.#indexes]) {
      for (const one of made.values()) one.free();
      made.clear();
    }
    this.#engine.free();
  }

  #read(call: SentCall & { input: TextOrChat[] | Vectors }): [vectors: Float32Array, unread: Float32Array] {
    const { input } = call;
    const { data, unread = new Float32Array() }: Vectors = Array.isArray(input) ? this.#engine.embed(input, optionsOf(call) ?? {}) : input;
    return [data, unread];
  }

  #tagger({ id, bytes }: TaggerFile): EngineTagger {
    const tagger = this.#taggers.get(id) ?? makeTagger(bytes, this.#engine.info());
    this.#taggers.set(id, tagger);
    return tagger;
  }

  #index({ id, size, dimensions, rows, data }: IndexChange): EngineIndex {
    const index = this.#indexes.get(id) ?? makeIndex(dimensions);
    this.#indexes.set(id, index);
    // In parts, so that the engine never holds a second copy of all rows.
    for (let at = 0; at === 0 || at < rows.length; at += ROWS_AT_ONCE) {
      const part = rows.subarray(at, at + ROWS_AT_ONCE);
      index.put(size, part, data.subarray(at * dimensions, (at + part.length) * dimensions));
    }
    return index;
  }
}

/** An error as plain data: structured cloning would lose the code. */
export interface CallError {
  code: ErrorCode;
  message: string;
}

export function toCallError(error: unknown): CallError {
  const { code, message } = fromEngine(error);
  return { code, message };
}
