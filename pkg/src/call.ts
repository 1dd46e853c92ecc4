import {
  calibrate, type Engine, type EngineClassifyOptions, type EngineEmbedOptions, type EngineIndex, type EngineTagger, type EngineView, makeIndex,
  makeTagger,
} from './engine.js';
import { type ErrorCode, fromEngine } from './error.js';
import type { Vectors } from './types.js';

// Rows of an index that are copied into the engine at once.
const ROWS_AT_ONCE = 16_384;

/** How a tagger is made: any engine that has this can make it anew. */
export interface TaggerMaking {
  id: number;
  labels: string[];
  /** How many examples each label has, and the vectors of those, label after label. */
  counts: Uint32Array;
  vectors: Vectors;
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
  | { method: 'embed'; input: string[]; options: EngineEmbedOptions }
  | { method: 'classify'; input: string[] | Vectors; prompt: string | undefined; options: EngineClassifyOptions }
  | { method: 'similarity'; input: [a: string, b: string]; options: EngineView }
  | { method: 'apart'; tagger: TaggerMaking; first: number; last: number; input: [] }
  | { method: 'calibrate'; apart: Float32Array; input: [] }
  | { method: 'tag'; tagger: TaggerMaking; calibration: Float32Array; input: string[] | Vectors; topK: number }
  | { method: 'search'; index: Index; input: string[] | Vectors; k: number };

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
      return {};
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
    const { id } = call.tagger;
    return { ...call, tagger: { id, labels: [], counts: new Uint32Array(), vectors: { data: new Float32Array(), dims: [0, 0] } } };
  }

  answered(call: SentCall): void {
    if ('tagger' in call) this.#taggers.add(call.tagger.id);
    if ('index' in call) this.#revisions.set(call.index.id, call.index.revision);
  }
}

/** An engine with the taggers and indexes made on it, answering calls. */
export class Host {
  readonly #engine: Engine;
  readonly #taggers = new Map<number, EngineTagger>();
  readonly #indexes = new Map<number, EngineIndex>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  answer(call: SentCall): unknown {
    try {
      switch (call.method) {
        case 'embed':
          return this.#engine.embed(call.input, call.options);
        case 'classify':
          return this.#engine.classify(this.#vectors(call), call.options);
        case 'similarity':
          return this.#engine.similarity(...call.input, call.options);
        case 'apart':
          return this.#tagger(call.tagger).apart(call.first, call.last);
        case 'calibrate':
          return calibrate(call.apart);
        case 'tag':
          return this.#tagger(call.tagger).classify(this.#vectors(call), call.topK, call.calibration);
        case 'search':
          return this.#index(call.index).search(this.#vectors(call), call.k);
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

  #vectors(call: SentCall & { input: string[] | Vectors }): Float32Array {
    const { input } = call;
    return Array.isArray(input) ? this.#engine.embed(input, optionsOf(call) ?? {}).data : input.data;
  }

  #tagger({ id, labels, counts, vectors }: TaggerMaking): EngineTagger {
    const tagger = this.#taggers.get(id) ?? makeTagger(labels, counts, vectors);
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
