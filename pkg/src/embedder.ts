import type { Analysis, Findings, Step } from './analysis.js';
import * as check from './argument.js';
import type { Control } from './argument.js';
import { type Call, lengthOf } from './call.js';
import type { EngineEmbedOptions, EngineHit, EngineView } from './engine.js';
import { aborted, PieError, typed } from './error.js';
import { join, pieces, textPieces } from './pieces.js';
import { TextIndex } from './retrieval.js';
import type { Runner } from './runner.js';
import { learnTagger, loadTagger, type TaggerHost } from './tagger.js';
import { ToolList } from './tools.js';
import type {
  CallOptions, Chat, Classification, ClassifyOptions, Clusters, ClusterOptions, DuplicatesOptions, Embedder, Embeddings, EmbedOptions, Index,
  ListOptions, MapOptions, ModelInfo, SelectOptions, SimilarityOptions, Tagger, TaggerLabels, TaggerOptions, TextOrChat, Tool, Tools, ToolsList,
  Vectors, View, ViewOptions,
} from './types.js';

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

  embed(text: string | Chat, options?: EmbedOptions): Promise<Float32Array>;
  embed(texts: readonly TextOrChat[], options?: EmbedOptions): Promise<Embeddings>;
  async embed(given: string | Chat | readonly TextOrChat[], how?: EmbedOptions): Promise<Float32Array | Embeddings> {
    const { one, texts } = check.checkPrompts(given);
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

  classify(text: string | Chat | Float32Array, options?: ClassifyOptions): Promise<Classification[]>;
  classify(texts: readonly TextOrChat[] | Vectors, options?: ClassifyOptions): Promise<Classification[][]>;
  async classify(texts: string | Chat | Float32Array | readonly TextOrChat[] | Vectors, given?: ClassifyOptions) {
    const { one, input } = check.checkAsked(texts, this.#dimensions);
    const options = check.checkOptions(given);
    const topK = check.checkCount(options.topK, 'topK') ?? 3;
    const level = check.checkLevel(options.level);
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

  async tagger(given: TaggerLabels, how?: TaggerOptions): Promise<Tagger> {
    const labels = check.checkLabels(given);
    const options = check.checkOptions(how);
    return learnTagger(labels, check.checkLearning(options), this.#taggerHost(), check.checkControl(options));
  }

  async loadTagger(file: ArrayBuffer | Uint8Array, how?: CallOptions): Promise<Tagger> {
    if (!(file instanceof ArrayBuffer || file instanceof Uint8Array)) throw check.invalid('the tagger', 'an ArrayBuffer or a Uint8Array', file);
    const bytes = check.checkBytes(file, 'tagger');
    return loadTagger(bytes, this.#taggerHost(), check.checkControl(check.checkOptions(how)));
  }

  tools(list: readonly Tool[] | ToolsList): Tools {
    return new ToolList(list, (labels, control) => learnTagger(labels, {}, this.#taggerHost(), control));
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
    const view = this.#view(options, check.fullView(this.#held().info));
    const found = await this.#analyse(rows, view, check.checkControl(options), (vectors) => ({ method: 'duplicates', vectors, options: how }));
    if (!Array.isArray(rows)) return found;
    // Unread texts have no vectors that could tell, so that equal ones are found by their letters.
    const first = new Map<string, number>();
    for (const [row, text] of rows.entries()) if (!first.has(text)) first.set(text, row);
    return found.map((earlier, row) => earlier ?? (first.get(rows[row]!)! < row ? first.get(rows[row]!)! : null));
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

  async #embed(texts: TextOrChat[], control: Control, how: EngineEmbedOptions = {}): Promise<Embeddings> {
    return join(await this.#run<Embeddings>(textPieces(texts).map((input) => ({ method: 'embed', input, options: how })), control));
  }

  /** What a tagger needs: it reads all views that the model has. */
  #taggerHost(): TaggerHost {
    const { info } = this.#held();
    const view = this.#view({}, check.fullView(info));
    return {
      view,
      width: check.widthOf(view, info),
      model: { sha256: info.sha256, views: info.views.length },
      make: () => {
        this.#made.add(made);
        return made++;
      },
      embed: (texts, control) => this.#embed(texts, control, view),
      run: (calls, control) => this.#run(calls, control),
      analyse: (vectors, control, analysis) => this.#analyse(vectors, view, control, analysis),
      forget: (id) => this.#forget(id),
    };
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
