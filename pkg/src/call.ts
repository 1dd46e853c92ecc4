import type { Engine, EngineClassifyOptions, EngineEmbedOptions, EngineTagger } from './engine.js';
import { type ErrorCode, fromEngine } from './error.js';

/** How a tagger is made: any engine that has this can make it anew. */
export interface TaggerMaking {
  id: number;
  labels: string[];
  examples: string[][];
}

/** A piece of work for an engine, as plain data: it travels to a worker as it is. */
export type Call =
  | { method: 'embed'; texts: string[]; options: EngineEmbedOptions }
  | { method: 'classify'; texts: string[]; options: EngineClassifyOptions }
  | { method: 'similarity'; texts: [a: string, b: string] }
  | { method: 'tagger'; tagger: TaggerMaking; texts: [] }
  | { method: 'tag'; tagger: TaggerMaking; texts: string[]; topK: number };

/** An engine with the taggers made on it, answering calls. */
export class Host {
  readonly #engine: Engine;
  readonly #taggers = new Map<number, EngineTagger>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  answer(call: Call): unknown {
    try {
      switch (call.method) {
        case 'embed':
          return this.#engine.embed(call.texts, call.options);
        case 'classify':
          return this.#engine.classify(call.texts, call.options);
        case 'similarity':
          return this.#engine.similarity(...call.texts);
        case 'tagger':
          this.#make(call.tagger);
          return null;
        case 'tag':
          return this.#engine.tag(this.made(call.tagger), call.texts, call.topK);
      }
    } catch (error) {
      throw fromEngine(error);
    }
  }

  forget(tagger: number): void {
    this.#taggers.get(tagger)?.free();
    this.#taggers.delete(tagger);
  }

  free(): void {
    for (const tagger of this.#taggers.values()) tagger.free();
    this.#taggers.clear();
    this.#engine.free();
  }

  /** The tagger, made anew where this engine has it not. */
  protected made(making: TaggerMaking): EngineTagger {
    return this.#taggers.get(making.id) ?? this.#make(making);
  }

  #make({ id, labels, examples }: TaggerMaking): EngineTagger {
    const tagger = this.#engine.tagger(labels, examples);
    this.#taggers.set(id, tagger);
    return tagger;
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
