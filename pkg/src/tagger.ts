import * as check from './argument.js';
import type { TaggerMaking } from './call.js';
import { PieError } from './error.js';
import type { Classification, ListOptions, Tagger, TagOptions, Vectors } from './types.js';

/** What a tagger needs of its embedder. */
export interface TaggerHost {
  readonly dimensions: number;
  tag(making: TaggerMaking, input: string[] | Vectors, topK: number, options: ListOptions): Promise<Classification[][]>;
  forget(): void;
}

/** A tagger, wherever its calls are answered. */
export class OwnTagger implements Tagger {
  readonly labels: readonly string[];
  readonly #making: TaggerMaking;
  #host: TaggerHost | undefined;

  constructor(making: TaggerMaking, host: TaggerHost) {
    this.labels = making.labels;
    this.#making = making;
    this.#host = host;
  }

  classify(text: string | Float32Array, options?: TagOptions): Promise<Classification[]>;
  classify(texts: readonly string[] | Vectors, options?: TagOptions): Promise<Classification[][]>;
  async classify(texts: string | Float32Array | readonly string[] | Vectors, given?: TagOptions) {
    const host = this.#host;
    if (!host) throw new PieError('disposed', 'the tagger was disposed');
    const { one, input } = check.checkInput(texts, host.dimensions);
    const options = check.checkOptions(given);
    const lists = await host.tag(this.#making, input, check.checkCount(options.topK, 'topK') ?? 3, options);
    return one ? lists[0]! : lists;
  }

  dispose(): void {
    this.#host?.forget();
    this.#host = undefined;
  }
}
