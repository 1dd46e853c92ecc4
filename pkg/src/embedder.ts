import type { Analysis, Findings, Step } from './analysis.js';
import * as check from './argument.js';
import type { Control } from './argument.js';
import { type Call, lengthOf, type TaggerMaking } from './call.js';
import type { EngineEmbedOptions, EngineHit, EngineView } from './engine.js';
import { aborted, PieError, typed } from './error.js';
import { TextIndex } from './retrieval.js';
import type { Runner } from './runner.js';
import { OwnTagger } from './tagger.js';
import type {
  Classification, ClassifyOptions, Clusters, ClusterOptions, DuplicatesOptions, Embedder, Embeddings, EmbedOptions, Index,
  ListOptions, MapOptions, ModelInfo, SelectOptions, SimilarityOptions, Tagger, Vectors, View, ViewOptions,
} from './types.js';

// What an engine does in one go. A prompt that comes meanwhile waits for no more than this: some tens of milliseconds.
export const TEXTS_AT_ONCE = 8;
const CHARACTERS_AT_ONCE = 2_000;
const VECTORS_AT_ONCE = 256;
// Vectors times rows (of an index, or a tagger's examples) in one call: some tens of milliseconds.
const PRODUCTS_AT_ONCE = 1 << 19;

// Embedders of one model share their workers, and so the numbers of what is made there.
let made = 0;

/** The embedder, wherever its calls are answered: arguments are checked, and long lists taken apart and put together, here. */
export class RunnerEmbedder implements Embedder {
  #runner: Runner | undefined;
  readonly #running = new Set<AbortController>();
  readonly #made = new Set<number>();

  protected constructor(runner: Runner) {
    this.#runner = runner;
  }

  embed(text: string, options?: EmbedOptions): Promise<Float32Array>;
  embed(texts: readonly string[], options?: EmbedOptions): Promise<Embeddings>;
  async embed(given: string | readonly string[], how?: EmbedOptions): Promise<Float32Array | Embeddings> {
    const one = typeof given === 'string';
    const texts = one ? [check.checkText(given, 'the text')] : check.checkTexts(given, 'texts', 'a string or an array of strings');
    const options = check.checkOptions(how);
    const engineOptions = {
      ...this.#view(options),
      prompt: check.checkPrompt(options.prompt),
      dimensions: check.checkDimensions(options.dimensions),
      maxTokens: check.checkCount(options.maxTokens, 'maxTokens'),
    };
    const embeddings = await this.#embed(texts, check.checkControl(options), engineOptions);
    return one ? embeddings.data : embeddings;
  }

  classify(text: string | Float32Array, options?: ClassifyOptions): Promise<Classification[]>;
  classify(texts: readonly string[] | Vectors, options?: ClassifyOptions): Promise<Classification[][]>;
  async classify(texts: string | Float32Array | readonly string[] | Vectors, given?: ClassifyOptions) {
    const { one, input } = check.checkInput(texts, this.#dimensions);
    const options = check.checkOptions(given);
    const topK = check.checkCount(options.topK, 'topK') ?? 3;
    const level = check.checkLevel(options.level) ?? 'task';
    const prompt = check.checkPrompt(options.prompt);
    const calls = pieces(input).map((input): Call => ({ method: 'classify', input, prompt, options: { topK, level } }));
    const lists = (await this.#run<Classification[][]>(calls, check.checkControl(options))).flat();
    return one ? lists[0]! : lists;
  }

  async similarity(a: string, b: string, given?: SimilarityOptions): Promise<number> {
    check.checkText(a, 'the first text');
    check.checkText(b, 'the second text');
    const options = check.checkOptions(given);
    const call: Call = { method: 'similarity', input: [a, b], options: this.#view(options) };
    const [cosine] = await this.#run<number>([call], check.checkControl(options));
    return cosine!;
  }

  async tagger(given: Readonly<Record<string, readonly string[]>>, how?: ListOptions): Promise<Tagger> {
    const [labels, examples] = check.checkExamples(given);
    const control = check.checkControl(check.checkOptions(how));
    // Both steps run in pieces, so that prompts go between: embedding the examples, then comparing them.
    const vectors = await this.#embed(examples.flat(), control);
    const counts = Uint32Array.from(examples, ({ length }) => length);
    const making: TaggerMaking = { id: made++, labels, counts, vectors: { data: vectors.data, dims: vectors.dims } };
    this.#made.add(making.id);
    try {
      const calibration = await this.#calibrate(making, { ...control, onProgress: undefined });
      return new OwnTagger(labels, {
        dimensions: this.#dimensions,
        forget: () => this.#forget(making.id),
        tag: async (input, topK, control) => {
          const calls = pieces(input, making.vectors.dims[0]).map((input): Call => ({ method: 'tag', tagger: making, calibration, input, topK }));
          return (await this.#run<Classification[][]>(calls, control)).flat();
        },
      });
    } catch (error) {
      // An aborted call may have come as far as the engine.
      this.#forget(making.id);
      throw error;
    }
  }

  index(given?: ViewOptions): Index {
    const view = this.#view(check.checkOptions(given));
    const id = made++;
    this.#made.add(id);
    return new TextIndex(id, view, check.widthOf(view, this.#held().info), {
      embed: (texts, control) => this.#embed(texts, control, view),
      forget: () => this.#forget(id),
      search: async (index, input, k, control) => {
        const calls = pieces(input, index.size).map((input): Call => ({ method: 'search', index, input, k }));
        return (await this.#run<EngineHit[][]>(calls, control)).flat();
      },
    });
  }

  async cluster(texts: readonly string[] | Vectors, given: ClusterOptions): Promise<Clusters> {
    const rows = check.checkRows(texts);
    const options = check.checkOptions(given);
    const { k, threshold } = options;
    if ((k === undefined) === (threshold === undefined)) {
      throw new PieError('invalid_argument', 'cluster needs either k or threshold');
    }
    const how = {
      k: k === undefined ? k : check.checkShare(k, 'k', count(rows)),
      threshold: threshold === undefined ? threshold : check.checkThreshold(threshold),
      seed: check.checkSeed(options.seed),
    };
    return this.#analyse(rows, this.#view(options), check.checkControl(options), (vectors) => ({ method: 'cluster', vectors, options: how }));
  }

  async select(texts: readonly string[] | Vectors, given: SelectOptions): Promise<number[]> {
    const rows = check.checkRows(texts);
    const options = check.checkOptions(given);
    const how = {
      count: check.checkShare(options.count, 'count', count(rows)),
      method: check.checkMethod(options.method),
      seed: check.checkSeed(options.seed),
    };
    return this.#analyse(rows, this.#view(options), check.checkControl(options), (vectors) => ({ method: 'select', vectors, options: how }));
  }

  async duplicates(texts: readonly string[] | Vectors, given: DuplicatesOptions): Promise<(number | null)[]> {
    const rows = check.checkRows(texts);
    const options = check.checkOptions(given);
    const how = { threshold: check.checkThreshold(options.threshold) };
    const view = this.#view(options, check.duplicatesView(this.#held().info));
    return this.#analyse(rows, view, check.checkControl(options), (vectors) => ({ method: 'duplicates', vectors, options: how }));
  }

  async map(texts: readonly string[] | Vectors, given?: MapOptions): Promise<[x: number, y: number][]> {
    const rows = check.checkRows(texts);
    const options = check.checkOptions(given);
    const how = { seed: check.checkSeed(options.seed) };
    return this.#analyse(rows, this.#view(options), check.checkControl(options), (vectors) => ({ method: 'map', vectors, options: how }));
  }

  info(): ModelInfo {
    return structuredClone(this.#held().info);
  }

  dispose(): void {
    const runner = this.#runner;
    if (!runner) return;
    for (const end of this.#running) end.abort(new PieError('disposed', 'the embedder was disposed'));
    for (const id of this.#made) this.#forget(id);
    this.#runner = undefined;
    runner.free();
  }

  /** Of the vectors that are classified: those of the task view. */
  get #dimensions(): number {
    return this.#held().info.viewSize;
  }

  #view(options: ViewOptions, fallback?: View): EngineView {
    return check.checkView(options, this.#held().info, fallback);
  }

  #held(): Runner {
    if (!this.#runner) throw new PieError('disposed', 'the embedder was disposed');
    return this.#runner;
  }

  #forget(id: number): void {
    if (this.#made.delete(id)) this.#runner?.forget(id);
  }

  async #embed(texts: string[], control: Control, how: EngineEmbedOptions = {}): Promise<Embeddings> {
    return join(await this.#run<Embeddings>(textPieces(texts).map((input) => ({ method: 'embed', input, options: how })), control));
  }

  /** Computes a tagger's calibration from how near each example is to its own label and to the others. */
  async #calibrate(tagger: TaggerMaking, control: Control): Promise<Float32Array> {
    const examples = tagger.vectors.dims[0];
    const step = Math.max(1, Math.floor(PRODUCTS_AT_ONCE / examples));
    const calls = Array.from({ length: Math.ceil(examples / step) }, (_, piece): Call => {
      const [first, last] = [piece * step, Math.min((piece + 1) * step, examples)];
      return { method: 'apart', tagger, first, last, input: [] };
    });
    const apart = new Float32Array(2 * examples);
    for (const [piece, part] of (await this.#run<Float32Array>(calls, control)).entries()) apart.set(part, 2 * piece * step);
    const [calibration] = await this.#run<Float32Array>([{ method: 'calibrate', apart, input: [] }], control);
    return calibration!;
  }

  #run<T>(calls: Call[], control: Control): Promise<T[]> {
    const total = calls.reduce((sum, call) => sum + lengthOf(call), 0);
    let done = 0;
    return this.#until(control, async (runner, end) => {
      const tell = telling(control.onProgress, end);
      return (await runner.run(calls, end.signal, (call) => tell((done += lengthOf(call)), total))) as T[];
    });
  }

  async #analyse<T extends Analysis['method']>(
    rows: string[] | Vectors,
    view: EngineView,
    control: Control,
    analysis: (vectors: Vectors) => Extract<Analysis, { method: T }>,
  ): Promise<Findings[T]> {
    if (Array.isArray(rows)) check.checkVectorBytes(rows.length * check.widthOf(view, this.#held().info) * Float32Array.BYTES_PER_ELEMENT);
    const vectors = Array.isArray(rows) ? await this.#embed(rows, control, view) : rows;
    const found = await this.#until(control, (runner, end) => runner.analyse(analysis(vectors), end.signal, telling(control.onStep, end)));
    return found as Findings[T];
  }

  /** Work with one end for all causes: the caller's signal, a progress callback that throws, or dispose. */
  async #until<T>({ signal }: Control, work: (runner: Runner, end: AbortController) => Promise<T>): Promise<T> {
    const runner = this.#held();
    if (signal?.aborted) throw aborted(signal);

    const end = new AbortController();
    const relay = () => end.abort(aborted(signal!));
    signal?.addEventListener('abort', relay);
    this.#running.add(end);
    try {
      const answer = await work(runner, end);
      end.signal.throwIfAborted();
      return answer;
    } catch (error) {
      // An abort, and an error thrown by the caller's callback, are passed on unchanged.
      throw end.signal.aborted && error === end.signal.reason ? error : typed(error);
    } finally {
      this.#running.delete(end);
      signal?.removeEventListener('abort', relay);
    }
  }
}

/** Tells the caller, whose call ends with what that throws. */
function telling(say: ListOptions['onProgress'], end: AbortController): Step {
  return (done, total) => {
    try {
      say?.({ done, total });
    } catch (error) {
      end.abort(error);
    }
  };
}

function count(rows: string[] | Vectors): number {
  return Array.isArray(rows) ? rows.length : rows.dims[0];
}

/** Splits a list into pieces; vectors into smaller ones the more `rows` each is multiplied with. */
function pieces(input: string[] | Vectors, rows = 0): (string[] | Vectors)[] {
  if (Array.isArray(input)) return textPieces(input);
  return vectorPieces(input, Math.max(1, Math.min(VECTORS_AT_ONCE, Math.floor(PRODUCTS_AT_ONCE / rows))));
}

function textPieces(texts: string[]): string[][] {
  const pieces: string[][] = [];
  let characters = Infinity;
  for (const text of texts) {
    characters += text.length;
    if (characters > CHARACTERS_AT_ONCE || pieces.at(-1)!.length === TEXTS_AT_ONCE) {
      pieces.push([]);
      characters = text.length;
    }
    pieces.at(-1)!.push(text);
  }
  return pieces;
}

function vectorPieces({ data, dims: [rows, dimensions] }: Vectors, most: number): Vectors[] {
  return Array.from({ length: Math.ceil(rows / most) }, (_, piece) => {
    const part = data.subarray(piece * most * dimensions, (piece + 1) * most * dimensions);
    return { data: part, dims: [part.length / dimensions, dimensions] };
  });
}

function join(parts: Embeddings[]): Embeddings {
  const dimensions = parts[0]!.dims[1];
  const texts = parts.reduce((sum, { dims }) => sum + dims[0], 0);
  const length = texts * dimensions;
  const data = check.allocate(`${check.whole(texts)} vectors`, length * Float32Array.BYTES_PER_ELEMENT, () => new Float32Array(length));
  let row = 0;
  for (const part of parts) {
    data.set(part.data, row * dimensions);
    row += part.dims[0];
  }
  return { data, dims: [texts, dimensions], truncated: parts.flatMap(({ truncated }) => truncated) };
}
