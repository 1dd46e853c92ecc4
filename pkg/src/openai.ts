import { type AdapterOptions, checkPie, embedList, type Pie, toNumbers } from './adapter.js';
import { checkOptions, invalid } from './argument.js';

export type { AdapterOptions } from './adapter.js';
export { type ErrorCode, PieError } from './error.js';

export interface EmbeddingRequest {
  /** One text or a list. Tokens are part of OpenAI's type, so that code written for it compiles; they are an `invalid_argument`. */
  input: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  /** Ignored: the loaded model answers, and the response names it. */
  model?: string;
  /** In place of the adapter's own `dimensions`. */
  dimensions?: number;
  /** `float` (default) gives arrays of numbers, `base64` the bytes of little-endian 32-bit floats. */
  encoding_format?: 'float' | 'base64';
}

export interface EmbeddingResponse<Vector> {
  object: 'list';
  data: { object: 'embedding'; index: number; embedding: Vector }[];
  /** The name of the loaded model. */
  model: string;
  /** Always 0: nothing is billed. */
  usage: { prompt_tokens: number; total_tokens: number };
}

interface RequestOptions {
  signal?: AbortSignal | null | undefined;
}

/** The part of OpenAI's client that makes embeddings: `client.embeddings.create`. */
export class PieOpenAI {
  readonly embeddings: OwnEmbeddings;

  constructor(pie: Pie, options?: AdapterOptions) {
    this.embeddings = new OwnEmbeddings(checkPie(pie), { ...checkOptions(options) });
  }
}

class OwnEmbeddings {
  readonly #pie: Pie;
  readonly #options: AdapterOptions;

  constructor(pie: Pie, options: AdapterOptions) {
    this.#pie = pie;
    this.#options = options;
  }

  create(request: EmbeddingRequest & { encoding_format: 'base64' }, options?: RequestOptions): Promise<EmbeddingResponse<string>>;
  create(request: EmbeddingRequest, options?: RequestOptions): Promise<EmbeddingResponse<number[]>>;
  async create(request: EmbeddingRequest, options?: RequestOptions): Promise<EmbeddingResponse<number[] | string>> {
    const { input, dimensions = this.#options.dimensions, encoding_format = 'float' } = checkOptions(request);
    if (encoding_format !== 'float' && encoding_format !== 'base64') {
      throw invalid('encoding_format', "'float' or 'base64'", encoding_format);
    }
    // embedList refuses tokens, which are not strings.
    const texts = (typeof input === 'string' ? [input] : input) as readonly string[];
    const signal = checkOptions(options).signal ?? undefined;
    const { vectors } = await embedList(this.#pie, texts, { ...this.#options, dimensions, signal });
    const encode = encoding_format === 'float' ? toNumbers : toBase64;
    return {
      object: 'list',
      data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: encode(vector) })),
      model: this.#pie.info().name,
      usage: { prompt_tokens: 0, total_tokens: 0 },
    };
  }
}

function toBase64({ buffer, byteOffset, byteLength }: Float32Array): string {
  return btoa(String.fromCharCode(...new Uint8Array(buffer, byteOffset, byteLength)));
}
