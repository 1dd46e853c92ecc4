import type { PieError } from './error.js';

/** A file given by its address or by its bytes. A string is a URL, or in Node also a path. */
export type FileSource = string | URL | ArrayBuffer | Uint8Array;

export interface LoadProgress {
  /** `download` while bytes arrive, `compile` while the engine is set up, `ready` once at the end. */
  phase: 'download' | 'compile' | 'ready';
  /** Bytes so far, of all files together. */
  loaded: number;
  /** Bytes in all; 0 while the size of one file is still unknown. Always known for the shipped model. */
  total: number;
  /** The file that moved last. */
  file: string;
}

/** What encodes: `wasm` the CPU, `webgpu` the GPU, `auto` both, the GPU for as long lists as it is faster with. */
export type Device = 'auto' | 'wasm' | 'webgpu';

export interface LoadOptions {
  /** The name of a shipped model, a GGUF file's URL, or its bytes. Default: the shipped model. */
  model?: FileSource;
  /** The taxonomy made for that model; `null` for none. Default: the shipped model's own, none for a model of yours. */
  taxonomy?: FileSource | null;
  /** The engine's wasm, where it does not lie beside this module. It is set up once a thread: there the first load decides. */
  wasm?: FileSource | WebAssembly.Module;
  /** How many workers share the work on long lists; each has its own copy of the model. Default 1. One thread has one engine. */
  pool?: number;
  /** Default `wasm`. `auto` measures once which is faster, and keeps the answer; `webgpu` fails with `no_webgpu` where there is none. */
  device?: Device;
  /** Told once when the GPU cannot be used, or no longer: the CPU does its work from there on, and repeats what was under way. */
  onFallback?: (error: PieError) => void;
  onProgress?: (progress: LoadProgress) => void;
  signal?: AbortSignal;
}

export interface CallOptions {
  /** Ends the call with `aborted`; the signal's reason is the error's cause. */
  signal?: AbortSignal;
}

export interface ListOptions extends CallOptions {
  /** Told of a list's texts as they are done, piece by piece. */
  onProgress?: (progress: { done: number; total: number }) => void;
}

export interface EmbedOptions extends ListOptions {
  /** `pie`, `short`, `none`, or a template with one `{instruction}`. Default: what the model was trained with. */
  prompt?: string;
  /** Keep only the first so many dimensions, normalised anew. */
  dimensions?: number;
  /** Texts of more tokens are truncated; at most, and by default, what the model was made for. */
  maxTokens?: number;
}

/** Row-major vectors of unit length: text `i` has `data.subarray(i * dims[1], (i + 1) * dims[1])`. */
export interface Embeddings {
  data: Float32Array;
  dims: [texts: number, dimensions: number];
  /** Whether a text was longer than the model takes and lost its middle. */
  truncated: boolean[];
}

export interface ClassifyOptions extends ListOptions {
  /** How many labels to give, best first. Default 3; more than there are gives all. */
  topK?: number;
  /** `task` ("write a poem") or `kind`, the broad sort of task. Default `task`. */
  level?: 'task' | 'kind';
  prompt?: string;
}

export interface Classification {
  /** Stable key, such as `write|poem`; `unknown` when nothing fits. */
  label: string;
  /** For people, such as "write a poem". */
  name: string;
  score: number;
}

export interface ModelInfo {
  architecture: string;
  name: string;
  hiddenSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  intermediateSize: number;
  vocabSize: number;
  maxTokens: number;
  pooling: string;
  normalize: boolean;
  /** The prompt template that the model was trained with. */
  prompt: string;
  license: string;
  sha256: string;
  bytes: number;
  /** What the weights were made from. */
  provenance: string;
  /** The vector instructions that the engine runs on. */
  simd: string;
  /** Whether a GPU works too. */
  device: 'wasm' | 'webgpu';
  /** How many labels of each level there are. */
  taxonomy: null | { tasks: number; kinds: number };
  /** The engine's version. */
  version: string;
}

/** A classifier of your own labels, from a few examples of each. */
export interface Tagger {
  readonly labels: readonly string[];
  classify(text: string, options?: TagOptions): Promise<Classification[]>;
  classify(texts: readonly string[], options?: TagOptions): Promise<Classification[][]>;
  dispose(): void;
}

export interface TagOptions extends ListOptions {
  /** How many labels to give, best first. Default 3; more than there are gives all. */
  topK?: number;
}

/** One loaded model. The interface says nothing of the thread that does the work. */
export interface Embedder {
  embed(text: string, options?: EmbedOptions): Promise<Float32Array>;
  embed(texts: readonly string[], options?: EmbedOptions): Promise<Embeddings>;
  /** The tasks of an instruction, best first; `unknown` comes first when nothing fits. */
  classify(text: string, options?: ClassifyOptions): Promise<Classification[]>;
  classify(texts: readonly string[], options?: ClassifyOptions): Promise<Classification[][]>;
  /** The cosine of two instructions' vectors, -1 to 1. */
  similarity(a: string, b: string, options?: CallOptions): Promise<number>;
  tagger(examples: Readonly<Record<string, readonly string[]>>, options?: CallOptions): Promise<Tagger>;
  info(): ModelInfo;
  /** Gives the memory back. May be called again; every other call then fails with `disposed`. */
  dispose(): void;
}
