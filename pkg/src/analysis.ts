import type { EngineLabel } from './engine.js';
import { fromEngine } from './error.js';
import type { Clusters, Evaluation, SelectOptions, Vectors } from './types.js';
import * as wasm from './wasm/pie_embed_wasm.js';

/** Work on vectors that needs no model, as plain data: it may take long, and travels to a worker of its own. */
export type Analysis = { vectors: Vectors } & (
  | { method: 'cluster'; options: { k: number | undefined; threshold: number | undefined; seed: number } }
  | { method: 'select'; options: { count: number; method: NonNullable<SelectOptions['method']>; seed: number } }
  | { method: 'duplicates'; options: { threshold: number } }
  | { method: 'map'; options: { seed: number } }
  | { method: 'learn'; options: OfModel & Lesson }
  | { method: 'evaluate'; options: OfModel & { tagger: Uint8Array; texts: string[]; labels: string[]; said: string[] } }
);

/** The model whose vectors they are. */
export interface OfModel {
  sha256: string;
  views: number;
}

/** What a tagger learns from the vectors of the texts that the engine has named. */
export interface Lesson extends Learning {
  labels: EngineLabel[];
  /** The file of a tagger that learns anew: it keeps its options. */
  known?: Uint8Array;
}

/** How a tagger learns; what is absent is the engine's default. */
export interface Learning {
  multi?: boolean;
  thresholds?: boolean;
  unknownShare?: number | undefined;
}

/** What each kind of work comes to. */
export interface Findings {
  cluster: Clusters;
  select: number[];
  duplicates: (number | null)[];
  map: [x: number, y: number][];
  learn: Uint8Array<ArrayBuffer>;
  evaluate: Evaluation;
}

/** Hears of the steps of `cluster` and `map` that are done, and of how many there are at most. */
export type Step = (done: number, total: number) => void;

/** Does the work, on this thread and in one go; the wasm must be set up. */
export function analyse({ method, vectors, options }: Analysis, step: Step): unknown {
  try {
    return wasm[method](vectors.data, vectors.dims[1], { ...options, unread: vectors.unread ?? [], step });
  } catch (error) {
    throw fromEngine(error);
  }
}
