import type { ModelPackage } from './companion.js';
import type { PieError } from './error.js';

export type { ModelPackage };

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
  /**
   * `small`, the shipped model (default); `multi` or the imported package `pie-embed-wasm-multi`, which reads sixteen languages; or a GGUF
   * file's address or bytes. A string without `.`, `/`, `:` and `\` is a name.
   */
  model?: FileSource | ModelPackage;
  /** The taxonomy made for that model; `null` for none. Default: the shipped model's own, none for a model of yours. */
  taxonomy?: FileSource | null;
  /** The engine's wasm, where it does not lie beside this module. It is set up once a thread: there the first load decides. */
  wasm?: FileSource | WebAssembly.Module;
  /**
   * How many workers share the work on long lists; each has its own copy of the model. Default 1. One thread has one engine.
   * The first is enough to begin with: the others join it as they come.
   */
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

/** What is read of a model of two views: what a text asks for, what it is about, or both in one vector. */
export type View = 'task' | 'meaning' | 'both';

/** Of texts alone: vectors are taken as they are. */
export interface ViewOptions {
  /** Default `task`, which is all that a model of one view has; another view of that is `view_unavailable`. */
  view?: View;
  /** Of `both`, the weight of the task view, 0 to 1: the cosine is `mix` of the tasks' and `1 - mix` of the meanings'. Default 0.5. */
  mix?: number;
}

export interface EmbedOptions extends ListOptions, ViewOptions {
  /** `pie`, `short`, `none`, or a template with one `{instruction}`. Default: what the model was trained with. */
  prompt?: string;
  /** Keep only the first so many dimensions of the view, normalised anew; of `both`, half of them from each. */
  dimensions?: number;
  /** Texts of more tokens are truncated; at most, and by default, what the model was made for. */
  maxTokens?: number;
}

/** Row-major vectors: row `i` is `data.subarray(i * dims[1], (i + 1) * dims[1])`. */
export interface Vectors {
  readonly data: Float32Array;
  readonly dims: readonly [rows: number, dimensions: number];
  /** Of texts' vectors, `Embeddings.unread`; without it all texts count as read. */
  readonly unread?: Float32Array;
}

/** What `embed` makes of a list, one vector of unit length a text: every call that takes a list of texts takes this, too. */
export interface Embeddings extends Vectors {
  readonly dims: readonly [texts: number, dimensions: number];
  /** Whether a text was longer than the model takes and lost its middle. */
  readonly truncated: boolean[];
  /**
   * The share of each text's pieces that the model's vocabulary lacks, 0 to 1. Of a text with more than a half the vector says nothing: it is
   * `unknown` by `classify`, and no near-duplicate of another.
   */
  readonly unread: Float32Array;
}

export interface SimilarityOptions extends CallOptions, ViewOptions {}

/**
 * A turn of a conversation, in the shape of the common chat APIs. Roles are `user`, `assistant`, `system`, `developer`, `tool` and `function`;
 * another is `invalid_argument`.
 */
export interface ChatTurn {
  readonly role: string;
  readonly content?: string | readonly ChatPart[] | null;
}

/** A part of a turn. Only texts are read. */
export interface ChatPart {
  readonly type?: string;
  readonly text?: string;
}

/**
 * A conversation, in place of a text. The request is the user's last turn; one of at most 8 words is read together with the turn that it
 * follows up. System text, reminders, answers and tool results are ignored. A chat without words of the user is `invalid_argument`, a last turn
 * with images alone is `blank_text`.
 */
export type Chat = readonly ChatTurn[];

export type TextOrChat = string | Chat;

export interface ClassifyOptions extends ListOptions {
  /** How many labels to give, best first. Default 3; more than there are gives all. */
  topK?: number;
  /**
   * `family` ("creative writing"), `kind` ("write a poem"), or `task`, a verb and its noun ("write a haiku"). Default `kind` where the
   * taxonomy has kinds, else `task`. `level_unavailable` where the taxonomy lacks what is asked for.
   */
  level?: 'family' | 'kind' | 'task';
  prompt?: string;
}

export interface Classification {
  /** Stable key, such as `write-poem` or, of a task, `write|poem`; `unknown` when nothing fits. */
  label: string;
  /** For people, such as "write a poem". */
  name: string;
  /** The label of the kind's family: of known kinds, where the taxonomy has families. */
  family?: string;
  /** Probability, 0 to 1. */
  score: number;
  /** Why the text is `unknown`, where it was not compared with any label: `unread`, more than half of it is (see `Embeddings.unread`). */
  reason?: 'unread';
}

export interface ModelInfo {
  architecture: string;
  name: string;
  hiddenSize: number;
  /** The views that a vector holds: `task` alone, or `task` and `meaning`. */
  views: ('task' | 'meaning')[];
  /** The dimensions of each view; `both` has twice as many. */
  viewSize: number;
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
  taxonomy: null | { tasks: number; kinds: number; families: number };
  /** The engine's version. */
  version: string;
}

/**
 * What a label is learned from. All of it may be absent: `{}` is learned from its name alone. A text that is repeated counts once; one under two
 * labels is `invalid_argument`.
 */
export interface TaggerLabel {
  /** A sentence that says what the label is for. */
  readonly description?: string;
  /** Texts that have the label. */
  readonly examples?: readonly string[];
  /** Texts that look like the label and do not have it. */
  readonly not?: readonly string[];
}

/** Labels by name: a string describes the label, and a list has examples of it. `unknown` is no name for one. */
export type TaggerLabels = Readonly<Record<string, string | readonly string[] | TaggerLabel>>;

export interface TaggerOptions extends ListOptions {
  /** Score labels independently of each other, for texts that have several. */
  multi?: boolean;
  /** Give each label its own level below which a text is unknown, by its own examples. */
  thresholds?: boolean;
  /** The share of texts with one of the labels that may be called unknown: a larger one finds more texts of other kinds. Default 0.05. */
  unknownShare?: number;
}

/** Labels of your own, learned from names, descriptions and examples. */
export interface Tagger {
  readonly labels: readonly string[];
  /** The view of the vectors that `classify` and `explain` take: `both` where the model has two. */
  readonly view: View;
  /** Leave-one-out accuracy as counts: the examples that were judged, and those that were tagged right. */
  readonly judged: { readonly right: number; readonly examples: number };
  classify(text: string | Chat | Float32Array, options?: TagOptions): Promise<Classification[]>;
  classify(texts: readonly TextOrChat[] | Vectors, options?: TagOptions): Promise<Classification[][]>;
  /** The answer with the nearest examples of the two best labels: why a text was tagged so, and what to add. */
  explain(text: string | Chat | Float32Array, options?: CallOptions): Promise<Explanation>;
  /** How well labels are found. Rows labelled `unknown` are right when they are called so; another label that is not the tagger's is refused. */
  evaluate(rows: readonly LabelledText[], options?: ListOptions): Promise<Evaluation>;
  /** Learns again with more examples of a label, which may be new. Calls made earlier are answered by the earlier state. */
  add(label: string, examples: string | readonly string[], options?: ListOptions): Promise<void>;
  /** Learns again without these examples; one that the label does not have is `invalid_argument`. */
  remove(label: string, examples: string | readonly string[], options?: ListOptions): Promise<void>;
  /** The tagger as a file, bound to its model by sha256: for `loadTagger`, the command line and Rust. */
  save(): Uint8Array<ArrayBuffer>;
  dispose(): void;
}

export interface LabelledText {
  readonly text: string;
  readonly label: string;
}

export interface Explanation {
  /** The answer and what comes after it, three in all. */
  tags: Classification[];
  /** Of the two best labels, best first. */
  evidence: {
    label: string;
    score: number;
    /** At most three, nearest first: examples, or the name and description of a label without any. The cosine is -1 to 1. */
    nearest: { text: string; cosine: number }[];
  }[];
}

export interface Evaluation {
  rows: number;
  /** The share of rows whose first label is theirs, 0 to 1. */
  accuracy: number;
  /** The share of rows with a known label that are called unknown; null where there are none. */
  calledUnknown: number | null;
  /** One entry a label of the tagger, then one for `unknown` if rows have it. Recall and precision are null where there is nothing to count. */
  labels: { label: string; rows: number; said: number; right: number; recall: number | null; precision: number | null }[];
  /** The most frequent first, at most 20, each with the first of its texts. */
  confusions: { label: string; said: string; rows: number; text: string }[];
  /** Rows that seem mislabelled: their nearest examples agree on another label. At most 20. */
  suspects: { row: number; text: string; label: string; neighbours: string; cosine: number }[];
}

/**
 * A tool in the function-calling shape, `{ type: 'function', function: { name, … } }` or flat, or in that of MCP's `tools/list`, where the
 * schema is `inputSchema`. Only the names and descriptions at the top level of the schema are read.
 */
export interface Tool {
  readonly name?: string;
  readonly description?: string | undefined;
  readonly parameters?: object | undefined;
  readonly inputSchema?: object | undefined;
  readonly function?: { readonly name?: string; readonly description?: string | undefined; readonly parameters?: object | undefined };
  /** Requests that this tool is for: with some of them it is found better. */
  readonly examples?: readonly string[];
}

/** The answer to MCP's `tools/list`. */
export interface ToolsList {
  readonly tools: readonly Tool[];
}

/** Tools to pick from. They are learned at the first `pick`, from names, descriptions and parameters; at most 2,000. */
export interface Tools {
  readonly names: readonly string[];
  pick(prompt: string | Chat, options?: PickOptions): Promise<Picked>;
  pick(prompts: readonly TextOrChat[], options?: PickOptions): Promise<Picked[]>;
  dispose(): void;
}

export interface PickOptions extends ListOptions {
  /** How many tools to give. Default 3; more than there are gives all. */
  k?: number;
}

export interface Picked {
  /** Whether no tool fits; the best ones are given all the same. */
  none: boolean;
  /** Best first; the score is a probability, 0 to 1. Empty where the prompt is unread. */
  tools: { name: string; score: number }[];
}

export interface TagOptions extends ListOptions {
  /** How many labels to give, best first. Default 3; more than there are gives all. */
  topK?: number;
}

export type IndexId = string | number;

export interface IndexHit {
  id: IndexId;
  /** The cosine to the query, -1 to 1. */
  score: number;
}

/** Texts to find again, by the task they ask for or by another view. Calls take effect in the order in which they are made. */
export interface Index {
  /** The view by which texts are found, and its weight where that is `both`. */
  readonly view: View;
  readonly mix: number | undefined;
  /** How many texts are in it by now. */
  readonly size: number;
  /** Takes a text, in the place of the one that had this id. */
  add(id: IndexId, text: string | Float32Array, options?: CallOptions): Promise<void>;
  /** Takes a list, all of it or, when that fails, none. */
  add(ids: readonly IndexId[], texts: readonly string[] | Vectors, options?: ListOptions): Promise<void>;
  /** Whether there was such a text. */
  remove(id: IndexId): Promise<boolean>;
  /** The `k` nearest, best first; default 5. The search is exact. */
  search(query: string | Float32Array, k?: number, options?: CallOptions): Promise<IndexHit[]>;
  search(queries: readonly string[] | Vectors, k?: number, options?: ListOptions): Promise<IndexHit[][]>;
  dispose(): void;
}

export interface AnalysisOptions extends ListOptions, ViewOptions {}

export interface StepOptions extends AnalysisOptions {
  /** Told of the work on the vectors, after `onProgress` was of the texts: steps that are done, of at most `total`. */
  onStep?: (progress: { done: number; total: number }) => void;
}

/** k-means tells of its steps; with a threshold there are none. */
export interface ClusterOptions extends StepOptions {
  /** So many clusters, by k-means; fewer where texts are equal. Either this or `threshold`. */
  k?: number;
  /**
   * As many clusters as it takes: each text has a cosine of at least this to its cluster's representative, 0 to 1. An unread text is a cluster
   * of its own.
   */
  threshold?: number;
  /** k-means gives the same clusters for the same seed. Default 0. */
  seed?: number;
}

export interface Clusters {
  /** The cluster of each text: a number of `clusters`. */
  labels: number[];
  /** Largest first; each with the number of the text that stands for it. */
  clusters: { representative: number; size: number }[];
}

export interface SelectOptions extends AnalysisOptions {
  /** How many texts to choose. */
  count: number;
  /** Of as many k-means clusters the text nearest the centre (default), the farthest first, or greedy facility location. */
  method?: 'kmeans' | 'k-center' | 'facility-location';
  /** The same texts are chosen for the same seed. Default 0. */
  seed?: number;
}

/** The default view is `both` where the model has two: texts that ask the same of other topics repeat nothing. */
export interface DuplicatesOptions extends AnalysisOptions {
  /** The cosine from which on two texts count as the same, 0 to 1. */
  threshold: number;
}

export interface MapOptions extends StepOptions {
  /** The same map for the same seed. Default 0. */
  seed?: number;
}

/** One loaded model. The interface says nothing of the thread that does the work. */
export interface Embedder {
  embed(text: string | Chat, options?: EmbedOptions): Promise<Float32Array>;
  embed(texts: readonly TextOrChat[], options?: EmbedOptions): Promise<Embeddings>;
  /**
   * What an instruction asks for, by its kinds as a default, best first; `unknown` comes first when nothing fits. Where a text makes several
   * requests, their kinds come first, in the order of the requests and each with its own score; and of an instruction in a template's frame
   * (Alpaca's, Llama's, ChatML) it is the instruction that counts. Of vectors none of this is known; they must be those of the task view.
   */
  classify(text: string | Chat | Float32Array, options?: ClassifyOptions): Promise<Classification[]>;
  classify(texts: readonly TextOrChat[] | Vectors, options?: ClassifyOptions): Promise<Classification[][]>;
  /** The cosine of two instructions' vectors, -1 to 1. */
  similarity(a: string, b: string, options?: SimilarityOptions): Promise<number>;
  /** Learns labels of your own; the same labels give the same tagger. */
  tagger(labels: TaggerLabels, options?: TaggerOptions): Promise<Tagger>;
  /** A tagger of `save` or `pie tagger fit`; `tagger_mismatch` where it was made for another model. */
  loadTagger(file: ArrayBuffer | Uint8Array, options?: CallOptions): Promise<Tagger>;
  tools(list: readonly Tool[] | ToolsList): Tools;
  index(options?: ViewOptions): Index;
  cluster(texts: readonly string[] | Vectors, options: ClusterOptions): Promise<Clusters>;
  /** The numbers of texts that stand for all of them, in the order chosen; unread texts come last, where the others are too few. */
  select(texts: readonly string[] | Vectors, options: SelectOptions): Promise<number[]>;
  /**
   * Of each text the number of the earlier one that it repeats, `null` of one that repeats none. An unread text repeats only one that is
   * equal to the letter, and none where vectors are given.
   */
  duplicates(texts: readonly string[] | Vectors, options: DuplicatesOptions): Promise<(number | null)[]>;
  /** Of each text a place in the plane, near those of texts with a like task (t-SNE); of 8 texts or more. */
  map(texts: readonly string[] | Vectors, options?: MapOptions): Promise<[x: number, y: number][]>;
  info(): ModelInfo;
  /** Gives the memory back. May be called again; every other call then fails with `disposed`. */
  dispose(): void;
}
