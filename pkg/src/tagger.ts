import * as check from './argument.js';
import type { Control } from './argument.js';
import { PieError } from './error.js';
import type { Classification, Tagger, TagOptions, Vectors } from './types.js';

/** What a tagger needs of its embedder. */
export interface TaggerHost {
  readonly dimensions: number;
  tag(input: string[] | Vectors, topK: number, control: Control): Promise<Classification[][]>;
  forget(): void;
}

/** A tagger, wherever its calls are answered. */
export class OwnTagger implements Tagger {
  readonly labels: readonly string[];
  #host: TaggerHost | undefined;

  constructor(labels: readonly string[], host: TaggerHost) {
    // Frozen: engines that start later receive the same labels.
    this.labels = Object.freeze([...labels]);
    this.#host = host;
  }

  classify(text: string | Float32Array, options?: TagOptions): Promise<Classification[]>;
  classify(texts: readonly string[] | Vectors, options?: TagOptions): Promise<Classification[][]>;
  async classify(texts: string | Float32Array | readonly string[] | Vectors, given?: TagOptions) {
    const host = this.#host;
    if (!host) throw new PieError('disposed', 'the tagger was disposed');
    const { one, input } = check.checkInput(texts, host.dimensions);
    const options = check.checkOptions(given);
    const topK = check.checkCount(options.topK, 'topK') ?? 3;
    const lists = await host.tag(input, topK, check.checkControl(options));
    return one ? lists[0]! : lists;
  }

  dispose(): void {
    this.#host?.forget();
    this.#host = undefined;
  }
}
