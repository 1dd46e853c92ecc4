import { type AdapterOptions, checkPie, embedList, type Pie, toNumbers } from './adapter.js';
import { checkOptions } from './argument.js';

export type { AdapterOptions } from './adapter.js';
export { type ErrorCode, PieError } from './error.js';

/** LangChain.js's `EmbeddingsInterface`, for its vector stores, retrievers and caches. */
export class PieEmbeddings {
  readonly #pie: Pie;
  readonly #options: AdapterOptions;

  constructor(pie: Pie, options?: AdapterOptions) {
    this.#pie = checkPie(pie);
    this.#options = { ...checkOptions(options) };
  }

  async embedQuery(query: string): Promise<number[]> {
    const { vectors } = await embedList(this.#pie, [query], this.#options);
    return toNumbers(vectors[0]!);
  }

  async embedDocuments(documents: readonly string[]): Promise<number[][]> {
    const { vectors } = await embedList(this.#pie, documents, this.#options);
    return vectors.map(toNumbers);
  }
}
