import { fromEngine, PieError } from './error.js';
import type { Classification, Embeddings, ModelInfo, Vectors, View } from './types.js';
import init, * as wasm from './wasm/pie_embed_wasm.js';

/** The engine in wasm, with the types that its generated declarations leave open. */
export interface Engine {
  loadTaxonomy(bytes: Uint8Array): void;
  embed(texts: string[], options: EngineEmbedOptions): Embeddings;
  classify(vectors: Float32Array, options: EngineClassifyOptions): Classification[][];
  similarity(a: string, b: string, options: EngineView): number;
  tokenize(texts: string[], options: EngineEmbedOptions): EngineTokens;
  finish(pooled: Float32Array, options: EngineEmbedOptions): Float32Array;
  info(): ModelInfo;
  free(): void;
}

/** Labels by the vectors of their examples, in wasm. */
export interface EngineTagger {
  apart(first: number, last: number): Float32Array;
  classify(vectors: Float32Array, topK: number, calibration: Float32Array): Classification[][];
  free(): void;
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
  level: 'task' | 'kind';
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

/** `[temperature, unknown]` of a tagger, from what `apart` gives for all its examples. */
export function calibrate(apart: Float32Array): Float32Array {
  return wasm.calibrate(apart);
}

export function makeTagger(labels: string[], counts: Uint32Array, { data, dims }: Vectors): EngineTagger {
  return new wasm.Tagger(labels, counts, data, dims[1]) as EngineTagger;
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
