import { fromEngine, PieError } from './error.js';
import type { Classification, ClassifyOptions, Embeddings, Explanation, ModelInfo, TextOrChat, View } from './types.js';
import init, * as wasm from './wasm/pie_embed_wasm.js';

/** The engine in wasm, with the types that its generated declarations leave open. */
export interface Engine {
  loadTaxonomy(bytes: Uint8Array): void;
  embed(texts: TextOrChat[], options: EngineEmbedOptions): Embeddings;
  classify(vectors: Float32Array, unread: Float32Array, options: EngineClassifyOptions, parts: Uint32Array): Classification[][];
  requests(texts: TextOrChat[]): EngineRequests;
  similarity(a: string, b: string, options: EngineView): number;
  tokenize(texts: TextOrChat[], options: EngineEmbedOptions): EngineTokens;
  finish(pooled: Float32Array, options: EngineEmbedOptions): Float32Array;
  info(): ModelInfo;
  free(): void;
}

/** Labels of the caller's own, in wasm. */
export interface EngineTagger {
  describe(): TaggerDescription;
  change(label: string, add: string[], remove: string[]): LabelChange;
  tag(vectors: Float32Array, unread: Float32Array, topK: number, parts: Uint32Array): Classification[][];
  explain(vectors: Float32Array, unread: Float32Array, parts: Uint32Array): Explanation[];
  free(): void;
}

export interface TaggerDescription {
  labels: string[];
  judged: { right: number; examples: number };
}

/** A label as the engine takes it. */
export interface EngineLabel {
  name: string;
  description?: string | undefined;
  examples: string[];
  not: string[];
}

/** Labels, and the texts of them that have no vectors yet. */
export interface LabelChange {
  labels: EngineLabel[];
  texts: string[];
}

/** Rows to search, in wasm. */
export interface EngineIndex {
  put(size: number, rows: Uint32Array, data: Float32Array): void;
  search(queries: Float32Array, k: number): EngineHit[][];
  free(): void;
}

export interface EngineHit {
  row: number;
  score: number;
}

/** What the GPU takes: the ids of all texts one behind the other, and what is to be made of them. */
export interface EngineTokens {
  ids: Uint32Array;
  lengths: Uint32Array;
  truncated: boolean[];
  unread: Float32Array;
  dimensions: number;
  normalize: boolean;
  /** Whether the GPU gives pooled vectors, which the engine's `finish` makes the vectors of. */
  pooled: boolean;
}

export interface EngineView {
  view: View;
  mix: number | undefined;
}

export interface EngineEmbedOptions extends Partial<EngineView> {
  prompt?: string | undefined;
  dimensions?: number | undefined;
  maxTokens?: number | undefined;
}

export interface EngineClassifyOptions {
  topK: number;
  level: ClassifyOptions['level'];
}

/** The requests of texts that may make several, and of each the row of its text. */
export interface EngineRequests {
  texts: string[];
  rows: number[];
}

/** A file's bytes, for as long as an engine is made of them; empty once they were handed over. */
export interface Lent {
  bytes: Uint8Array<ArrayBuffer>;
  sha256: string | undefined;
}

/** What an engine is made of. */
export interface EngineFiles {
  module: WebAssembly.Module;
  model: Lent;
  taxonomy: Lent | null;
}

export function bytesOf({ model, taxonomy }: EngineFiles): Uint8Array<ArrayBuffer>[] {
  return [model, taxonomy].flatMap((file) => (file ? [file.bytes] : []));
}

let instance: Promise<unknown> | undefined;

export async function makeEngine({ module, model, taxonomy }: EngineFiles): Promise<Engine> {
  await instantiate(module);
  let engine: Engine | undefined;
  try {
    engine = new wasm.Engine(model.bytes, model.sha256) as Engine;
    if (taxonomy) engine.loadTaxonomy(taxonomy.bytes);
    return engine;
  } catch (error) {
    engine?.free();
    throw fromEngine(error);
  }
}

/** The texts that labels are learned from. */
export function labelTexts(labels: EngineLabel[]): string[] {
  return wasm.labelTexts(labels);
}

export function makeTagger(bytes: Uint8Array, { sha256, views, viewSize }: ModelInfo): EngineTagger {
  return new wasm.Tagger(bytes, sha256, views.length, views.length * viewSize) as EngineTagger;
}

export function makeIndex(dimensions: number): EngineIndex {
  return new wasm.Index(dimensions) as EngineIndex;
}

/** What can be done before the model is there. What fails here fails again, and is told, when the engine is made. */
export async function prepare(module: WebAssembly.Module): Promise<void> {
  try {
    await instantiate(module);
    wasm.warmUp();
  } catch {
    // Told later.
  }
}

/** Sets the wasm up. The generated glue holds one instance a thread, so the first module given is the one. */
export async function instantiate(module: WebAssembly.Module): Promise<void> {
  instance ??= init({ module_or_path: module });
  try {
    await instance;
  } catch (error) {
    instance = undefined;
    const why = error instanceof Error ? error.message : String(error);
    throw error instanceof RangeError
      ? new PieError('too_large', `there is no memory for the engine: ${why}`, { cause: error })
      : new PieError('integrity', `the wasm is not this version's engine: ${why}`, { cause: error });
  }
}
