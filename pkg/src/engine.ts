import type { Classification, Embeddings, ModelInfo } from './types.js';

/** The engine in wasm, with the types that its generated declarations leave open. */
export interface Engine {
  loadTaxonomy(bytes: Uint8Array): void;
  embed(texts: string[], options: EngineEmbedOptions): Embeddings;
  classify(texts: string[], options: EngineClassifyOptions): Classification[][];
  similarity(a: string, b: string): number;
  tagger(labels: string[], examples: string[][]): EngineTagger;
  tag(tagger: EngineTagger, texts: string[], topK: number): Classification[][];
  info(): ModelInfo;
  free(): void;
}

export interface EngineTagger {
  free(): void;
}

export interface EngineEmbedOptions {
  prompt: string | undefined;
  dimensions: number | undefined;
  maxTokens: number | undefined;
}

export interface EngineClassifyOptions {
  topK: number;
  level: 'task' | 'kind';
  prompt: string | undefined;
}
