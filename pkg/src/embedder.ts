import * as check from './argument.js';
import type { Call, TaggerMaking } from './call.js';
import { aborted, PieError } from './error.js';
import type { Runner } from './runner.js';
import type {
  CallOptions, Classification, ClassifyOptions, Embedder, Embeddings, EmbedOptions, ListOptions, ModelInfo, Tagger, TagOptions,
} from './types.js';

// What an engine does in one go. A prompt that comes meanwhile waits for no more than this: some tens of milliseconds.
export const TEXTS_AT_ONCE = 8;
const CHARACTERS_AT_ONCE = 2_000;

// Embedders of one model share their workers, and so these numbers.
let taggers = 0;

/** The embedder, wherever its calls are answered: arguments are checked, and long lists taken apart and put together, here. */
export class RunnerEmbedder implements Embedder {
  #runner: Runner | undefined;
  readonly #running = new Set<AbortController>();
  readonly #taggers = new Set<number>();

  protected constructor(runner: Runner) {
    this.#runner = runner;
  }

  embed(text: string, options?: EmbedOptions): Promise<Float32Array>;
  embed(texts: readonly string[], options?: EmbedOptions): Promise<Embeddings>;
  async embed(input: string | readonly string[], given?: EmbedOptions): Promise<Float32Array | Embeddings> {
    const texts = toTexts(input);
    const options = check.checkOptions(given);
    const how = {
      prompt: check.checkPrompt(options.prompt),
      dimensions: check.checkDimensions(options.dimensions),
      maxTokens: check.checkCount(options.maxTokens, 'maxTokens'),
    };
    const calls = pieces(texts).map((texts): Call => ({ method: 'embed', texts, options: how }));
    const parts = await this.#run<Embeddings>(calls, options);
    return typeof input === 'string' ? parts[0]!.data : join(parts);
  }

  classify(text: string, options?: ClassifyOptions): Promise<Classification[]>;
  classify(texts: readonly string[], options?: ClassifyOptions): Promise<Classification[][]>;
  async classify(input: string | readonly string[], given?: ClassifyOptions) {
    const texts = toTexts(input);
    const options = check.checkOptions(given);
    const how = {
      topK: check.checkCount(options.topK, 'topK') ?? 3,
      level: check.checkLevel(options.level) ?? ('task' as const),
      prompt: check.checkPrompt(options.prompt),
    };
    const calls = pieces(texts).map((texts): Call => ({ method: 'classify', texts, options: how }));
    const parts = await this.#run<Classification[][]>(calls, options);
    return typeof input === 'string' ? parts[0]![0]! : parts.flat();
  }

  async similarity(a: string, b: string, given?: CallOptions): Promise<number> {
    check.checkText(a, 'the first text');
    check.checkText(b, 'the second text');
    const [cosine] = await this.#run<number>([{ method: 'similarity', texts: [a, b] }], check.checkOptions(given));
    return cosine!;
  }

  async tagger(given: Readonly<Record<string, readonly string[]>>, how?: CallOptions): Promise<Tagger> {
    const [labels, examples] = check.checkExamples(given);
    const making = { id: taggers++, labels, examples };
    this.#taggers.add(making.id);
    try {
      await this.#run([{ method: 'tagger', tagger: making, texts: [] }], check.checkOptions(how));
    } catch (error) {
      // An aborted call may have come as far as the engine.
      this.#forget(making.id);
      throw error;
    }
    return new OwnTagger(
      making,
      (calls, options) => this.#run(calls, options),
      () => this.#forget(making.id),
    );
  }

  info(): ModelInfo {
    return structuredClone(this.#held().info);
  }

  dispose(): void {
    const runner = this.#runner;
    if (!runner) return;
    for (const end of this.#running) end.abort(new PieError('disposed', 'the embedder was disposed'));
    for (const tagger of this.#taggers) this.#forget(tagger);
    this.#runner = undefined;
    runner.free();
  }

  #held(): Runner {
    if (!this.#runner) throw new PieError('disposed', 'the embedder was disposed');
    return this.#runner;
  }

  #forget(tagger: number): void {
    if (this.#taggers.delete(tagger)) this.#runner?.forget(tagger);
  }

  async #run<T>(calls: Call[], options: ListOptions): Promise<T[]> {
    const signal = check.checkSignal(options.signal);
    const say = check.checkFunction(options.onProgress, 'onProgress');
    const runner = this.#held();
    if (signal?.aborted) throw aborted(signal);

    // One end for all causes: the caller's signal, a progress callback that throws, or dispose.
    const end = new AbortController();
    const relay = () => end.abort(aborted(signal!));
    signal?.addEventListener('abort', relay);
    this.#running.add(end);
    const total = calls.reduce((sum, { texts }) => sum + texts.length, 0);
    let done = 0;
    try {
      const answers = await runner.run(calls, end.signal, ({ texts }) => {
        done += texts.length;
        try {
          say?.({ done, total });
        } catch (error) {
          end.abort(error);
        }
      });
      end.signal.throwIfAborted();
      return answers as T[];
    } finally {
      this.#running.delete(end);
      signal?.removeEventListener('abort', relay);
    }
  }
}

class OwnTagger implements Tagger {
  readonly labels: readonly string[];
  #making: TaggerMaking | undefined;

  constructor(
    making: TaggerMaking,
    private readonly run: (calls: Call[], options: ListOptions) => Promise<Classification[][][]>,
    private readonly forget: () => void,
  ) {
    this.labels = making.labels;
    this.#making = making;
  }

  classify(text: string, options?: TagOptions): Promise<Classification[]>;
  classify(texts: readonly string[], options?: TagOptions): Promise<Classification[][]>;
  async classify(input: string | readonly string[], given?: TagOptions) {
    const texts = toTexts(input);
    const options = check.checkOptions(given);
    const topK = check.checkCount(options.topK, 'topK') ?? 3;
    const tagger = this.#making;
    if (!tagger) throw new PieError('disposed', 'the tagger was disposed');
    const calls = pieces(texts).map((texts): Call => ({ method: 'tag', tagger, texts, topK }));
    const parts = await this.run(calls, options);
    return typeof input === 'string' ? parts[0]![0]! : parts.flat();
  }

  dispose(): void {
    this.#making = undefined;
    this.forget();
  }
}

function toTexts(input: unknown): string[] {
  return typeof input === 'string'
    ? [check.checkText(input, 'the text')]
    : check.checkTexts(input, 'texts', 'a string or an array of strings');
}

function pieces(texts: string[]): string[][] {
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

function join(parts: Embeddings[]): Embeddings {
  const dimensions = parts[0]!.dims[1];
  const texts = parts.reduce((sum, { dims }) => sum + dims[0], 0);
  const data = new Float32Array(texts * dimensions);
  let row = 0;
  for (const part of parts) {
    data.set(part.data, row * dimensions);
    row += part.dims[0];
  }
  return { data, dims: [texts, dimensions], truncated: parts.flatMap(({ truncated }) => truncated) };
}
