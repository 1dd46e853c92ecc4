import * as check from './argument.js';
import type { Engine, EngineTagger } from './engine.js';
import { aborted, fromEngine, PieError } from './error.js';
import type {
  Classification, ClassifyOptions, Embedder, Embeddings, EmbedOptions, ModelInfo, Tagger, TagOptions,
} from './types.js';

// The engine works on this thread, so a long list is done in pieces and the thread is free in between.
const TEXTS_AT_ONCE = 8;

/** The embedder whose engine runs on the caller's own thread. */
export class LocalEmbedder implements Embedder {
  #engine: Engine | undefined;

  protected constructor(engine: Engine) {
    this.#engine = engine;
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
    const parts = await this.#inPieces(texts, check.checkSignal(options.signal), (engine, piece) =>
      engine.embed(piece, how),
    );
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
    const parts = await this.#inPieces(texts, check.checkSignal(options.signal), (engine, piece) =>
      engine.classify(piece, how),
    );
    return typeof input === 'string' ? parts[0]![0]! : parts.flat();
  }

  async similarity(a: string, b: string): Promise<number> {
    check.checkText(a, 'the first text');
    check.checkText(b, 'the second text');
    return this.#call((engine) => engine.similarity(a, b));
  }

  async tagger(examples: Readonly<Record<string, readonly string[]>>): Promise<Tagger> {
    const [labels, texts] = check.checkExamples(examples);
    const tagger = this.#call((engine) => engine.tagger(labels, texts));
    return new LocalTagger(labels, tagger, (texts, signal, tag) => this.#inPieces(texts, signal, tag));
  }

  info(): ModelInfo {
    return this.#call((engine) => engine.info());
  }

  dispose(): void {
    this.#engine?.free();
    this.#engine = undefined;
  }

  #call<T>(run: (engine: Engine) => T): T {
    if (!this.#engine) throw new PieError('disposed', 'the embedder was disposed');
    try {
      return run(this.#engine);
    } catch (error) {
      throw fromEngine(error);
    }
  }

  async #inPieces<T>(
    texts: string[],
    signal: AbortSignal | undefined,
    run: (engine: Engine, piece: string[]) => T,
  ): Promise<T[]> {
    const results: T[] = [];
    for (let start = 0; start < texts.length; start += TEXTS_AT_ONCE) {
      if (start > 0) await nextTask();
      if (signal?.aborted) throw aborted(signal);
      results.push(this.#call((engine) => run(engine, texts.slice(start, start + TEXTS_AT_ONCE))));
    }
    return results;
  }
}

class LocalTagger implements Tagger {
  #tagger: EngineTagger | undefined;

  constructor(
    readonly labels: readonly string[],
    tagger: EngineTagger,
    private readonly inPieces: (
      texts: string[],
      signal: AbortSignal | undefined,
      run: (engine: Engine, piece: string[]) => Classification[][],
    ) => Promise<Classification[][][]>,
  ) {
    this.#tagger = tagger;
  }

  classify(text: string, options?: TagOptions): Promise<Classification[]>;
  classify(texts: readonly string[], options?: TagOptions): Promise<Classification[][]>;
  async classify(input: string | readonly string[], given?: TagOptions) {
    const texts = toTexts(input);
    const options = check.checkOptions(given);
    const topK = check.checkCount(options.topK, 'topK') ?? 3;
    const parts = await this.inPieces(texts, check.checkSignal(options.signal), (engine, piece) => {
      if (!this.#tagger) throw new PieError('disposed', 'the tagger was disposed');
      return engine.tag(this.#tagger, piece, topK);
    });
    return typeof input === 'string' ? parts[0]![0]! : parts.flat();
  }

  dispose(): void {
    this.#tagger?.free();
    this.#tagger = undefined;
  }
}

function toTexts(input: unknown): string[] {
  return typeof input === 'string'
    ? [check.checkText(input, 'the text')]
    : check.checkTexts(input, 'texts', 'a string or an array of strings');
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

// A message, not a timer: timers are slowed down to one a second in a tab that is not seen.
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
