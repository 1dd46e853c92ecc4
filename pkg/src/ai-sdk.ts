import { type AdapterOptions, checkPie, embedList, type Pie, toNumbers } from './adapter.js';
import { checkOptions } from './argument.js';

export type { AdapterOptions } from './adapter.js';
export { type ErrorCode, PieError } from './error.js';

interface EmbedCall {
  values: string[];
  /** In place of the model's own `dimensions`. */
  dimensions?: number | undefined;
  abortSignal?: AbortSignal | undefined;
}

interface EmbedResult {
  embeddings: number[][];
  warnings: { type: 'other'; message: string }[];
}

/** The Vercel AI SDK's `EmbeddingModelV4`, for `embed` and `embedMany`. */
export class PieEmbeddingModel {
  readonly specificationVersion = 'v4';
  readonly provider = 'pie';
  readonly modelId: string;
  readonly maxEmbeddingsPerCall = Infinity;
  readonly supportsParallelCalls = true;
  readonly #pie: Pie;
  readonly #options: AdapterOptions;

  constructor(pie: Pie, options?: AdapterOptions) {
    this.#pie = checkPie(pie);
    this.#options = { ...checkOptions(options) };
    this.modelId = pie.info().name;
  }

  /** One vector a text, with a warning where texts were truncated. */
  async doEmbed({ values, dimensions = this.#options.dimensions, abortSignal }: EmbedCall): Promise<EmbedResult> {
    const options = { ...this.#options, dimensions, signal: abortSignal };
    const { vectors, truncated } = await embedList(this.#pie, values, options);
    return { embeddings: vectors.map(toNumbers), warnings: warningsOf(truncated) };
  }
}

function warningsOf(truncated: boolean[]): EmbedResult['warnings'] {
  const long = truncated.filter((is) => is).length;
  if (long === 0) return [];
  return [{ type: 'other', message: `${long} of ${truncated.length} texts are longer than the model takes and lost their middle` }];
}
