import { type Engine, type EngineClassifyOptions, type EngineEmbedOptions, type EngineIndex, type EngineTagger, makeIndex } from './engine.js';
import { type ErrorCode, fromEngine } from './error.js';
import type { Vectors } from './types.js';

/** How a tagger is made: any engine that has this can make it anew. */
export interface TaggerMaking {
  id: number;
  labels: string[];
  examples: string[][];
}

/** An index's rows, and what became of them since a revision. */
export interface IndexRows {
  readonly id: number;
  since(revision: number): IndexChange;
}

/** What makes of an index at an older revision that at this one; all of it, of none. */
export interface IndexChange {
  id: number;
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
  | { method: 'similarity'; input: [a: string, b: string] }
  | { method: 'tagger'; tagger: TaggerMaking; input: [] }
  | { method: 'tag'; tagger: TaggerMaking; input: string[] | Vectors; topK: number }
  | { method: 'search'; index: Index; input: string[] | Vectors; k: number };

/** A piece of work for any engine. */
export type Call = CallOf<IndexRows>;

/** The same for one engine, as plain data: it travels to a worker as it is. */
export type SentCall = CallOf<IndexChange>;

/** How many texts or vectors a call is about. */
export const lengthOf = ({ input }: Call) => (Array.isArray(input) ? input.length : input.dims[0]);

/** What one engine has been given: of a tagger that it has made the number is enough, of an index what it has not seen. */
export class Given {
  readonly #taggers = new Set<number>();
  readonly #revisions = new Map<number, number>();

  toSend(call: Call): SentCall {
    if (call.method === 'search') return { ...call, index: call.index.since(this.#revisions.get(call.index.id) ?? 0) };
    if (!('tagger' in call) || !this.#taggers.has(call.tagger.id)) return call;
    return { ...call, tagger: { id: call.tagger.id, labels: [], examples: [] } };
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
          return this.#engine.classify(this.#vectors(call.input, call.prompt), call.options);
        case 'similarity':
          return this.#engine.similarity(...call.input);
        case 'tagger':
          this.#tagger(call.tagger);
          return null;
        case 'tag':
          return this.#tagger(call.tagger).classify(this.#vectors(call.input), call.topK);
        case 'search':
          return this.#index(call.index).search(this.#vectors(call.input), call.k);
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

  #vectors(input: string[] | Vectors, prompt?: string): Float32Array {
    return Array.isArray(input) ? this.#engine.embed(input, { prompt }).data : input.data;
  }

  #tagger({ id, labels, examples }: TaggerMaking): EngineTagger {
    const tagger = this.#taggers.get(id) ?? this.#engine.tagger(labels, examples);
    this.#taggers.set(id, tagger);
    return tagger;
  }

  #index({ id, size, dimensions, rows, data }: IndexChange): EngineIndex {
    const index = this.#indexes.get(id) ?? makeIndex(dimensions);
    this.#indexes.set(id, index);
    index.put(size, rows, data);
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
