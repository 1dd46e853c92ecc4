import type { Analysis, Findings, Learning, Lesson, OfModel } from './analysis.js';
import * as check from './argument.js';
import type { Control } from './argument.js';
import type { Call, TaggerFile } from './call.js';
import type { EngineLabel, EngineView, LabelChange, TaggerDescription } from './engine.js';
import { PieError } from './error.js';
import { pieces } from './pieces.js';
import type {
  CallOptions, Chat, Classification, Evaluation, Explanation, LabelledText, ListOptions, Tagger, TagOptions, TextOrChat, Vectors, View,
} from './types.js';

type AnalysisOf<T extends Analysis['method']> = Extract<Analysis, { method: T }>;

/** What a tagger needs of its embedder. */
export interface TaggerHost {
  /** The vectors that it reads, and their dimensions. */
  readonly view: EngineView;
  readonly width: number;
  readonly model: OfModel;
  /** A number for a tagger in the engines. */
  make(): number;
  embed(texts: string[], control: Control): Promise<Vectors>;
  run<T>(calls: Call[], control: Control): Promise<T[]>;
  analyse<T extends Analysis['method']>(vectors: Vectors, control: Control, analysis: (vectors: Vectors) => AnalysisOf<T>): Promise<Findings[T]>;
  forget(id: number): void;
}

/** What one state of a tagger is: its file, and what the file says. */
type State = TaggerFile & TaggerDescription;

/** A tagger that `save` or the command line wrote. */
export async function loadTagger(file: Uint8Array<ArrayBuffer>, host: TaggerHost, control: Control): Promise<OwnTagger> {
  return new OwnTagger(await open(file, host, control), host);
}

/** A tagger that learns labels. */
export async function learnTagger(labels: EngineLabel[], how: Learning, host: TaggerHost, control: Control): Promise<OwnTagger> {
  const [texts] = await host.run<string[]>([{ method: 'labelTexts', labels, input: [] }], silent(control));
  return new OwnTagger(await learn({ labels, texts: texts! }, how, host, control), host);
}

/** Embeds the texts in pieces, so that prompts can go between, and learns outside the engines: it takes tenths of a second, or seconds. */
async function learn({ labels, texts }: LabelChange, how: Omit<Lesson, 'labels'>, host: TaggerHost, control: Control): Promise<State> {
  const vectors: Vectors = texts.length > 0 ? await host.embed(texts, control) : { data: new Float32Array(), dims: [0, host.width] };
  const bytes = await host.analyse<'learn'>(vectors, control, (vectors) => ({ method: 'learn', vectors, options: { ...host.model, ...how, labels } }));
  return open(bytes, host, control);
}

async function open(bytes: Uint8Array<ArrayBuffer>, host: TaggerHost, control: Control): Promise<State> {
  const tagger = { id: host.make(), bytes };
  try {
    const [description] = await host.run<TaggerDescription>([{ method: 'describe', tagger, input: [] }], silent(control));
    return { ...tagger, ...description! };
  } catch (error) {
    // An aborted call may have come as far as the engine.
    host.forget(tagger.id);
    throw error;
  }
}

const silent = (control: Control): Control => ({ ...control, onProgress: undefined });

/** A tagger, wherever its calls are answered. */
export class OwnTagger implements Tagger {
  readonly #host: TaggerHost;
  #state: State | undefined;
  /** Calls that a state must stay for. */
  readonly #running = new Set<Promise<unknown>>();
  #changed: Promise<unknown> = Promise.resolve();

  constructor(state: State, host: TaggerHost) {
    this.#state = frozen(state);
    this.#host = host;
  }

  get labels(): readonly string[] {
    return this.#held().labels;
  }

  get judged(): TaggerDescription['judged'] {
    return this.#held().judged;
  }

  get view(): View {
    return this.#host.view.view;
  }

  classify(text: string | Chat | Float32Array, options?: TagOptions): Promise<Classification[]>;
  classify(texts: readonly TextOrChat[] | Vectors, options?: TagOptions): Promise<Classification[][]>;
  async classify(texts: string | Chat | Float32Array | readonly TextOrChat[] | Vectors, given?: TagOptions) {
    const { one, input } = check.checkAsked(texts, this.#host.width);
    const options = check.checkOptions(given);
    const topK = check.checkCount(options.topK, 'topK') ?? 3;
    const lists = await this.#tag(input, topK, check.checkControl(options));
    return one ? lists[0]! : lists;
  }

  async explain(text: string | Chat | Float32Array, given?: CallOptions): Promise<Explanation> {
    const { one, input } = check.checkAsked(text, this.#host.width);
    if (!one) throw check.invalid('the text', 'one string, chat or Float32Array', text);
    const call: Call = { method: 'explain', tagger: this.#held(), view: this.#host.view, input };
    const [[explanation]] = (await this.#run<Explanation[]>([call], check.checkControl(check.checkOptions(given)))) as [[Explanation]];
    return explanation;
  }

  async evaluate(given: readonly LabelledText[], how?: ListOptions): Promise<Evaluation> {
    const { texts, labels } = check.checkLabelled(given);
    const control = check.checkControl(check.checkOptions(how));
    const { bytes: tagger } = this.#held();
    const tags = await this.#tag(texts, 1, control);
    const said = tags.map(([best]) => best!.label);
    const vectors = await this.#host.embed(texts, silent(control));
    const options = { ...this.#host.model, tagger, texts, labels, said };
    return this.#host.analyse<'evaluate'>(vectors, control, (vectors) => ({ method: 'evaluate', vectors, options }));
  }

  add(label: string, examples: string | readonly string[], options?: ListOptions): Promise<void> {
    return this.#change(label, examples, options, (texts) => ({ add: texts, remove: [] }));
  }

  remove(label: string, examples: string | readonly string[], options?: ListOptions): Promise<void> {
    return this.#change(label, examples, options, (texts) => ({ add: [], remove: texts }));
  }

  save(): Uint8Array<ArrayBuffer> {
    return check.copyOf(this.#held().bytes, 'the tagger');
  }

  dispose(): void {
    const state = this.#state;
    this.#state = undefined;
    if (state) this.#forget(state);
  }

  #held(): State {
    if (!this.#state) throw new PieError('disposed', 'the tagger was disposed');
    return this.#state;
  }

  async #tag(input: TextOrChat[] | Vectors, topK: number, control: Control): Promise<Classification[][]> {
    const [tagger, { view }] = [this.#held(), this.#host];
    return (await this.#run<Classification[][]>(pieces(input).map((input): Call => ({ method: 'tag', tagger, view, input, topK })), control)).flat();
  }

  async #run<T>(calls: Call[], control: Control): Promise<T[]> {
    const running = this.#host.run<T>(calls, control);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** After the calls under way: for them an engine would have to make the tagger anew. */
  #forget({ id }: State): void {
    void Promise.allSettled(this.#running).then(() => this.#host.forget(id));
  }

  /** One change after another, each of what the one before has left. */
  async #change(label: string, examples: string | readonly string[], given: ListOptions | undefined, change: (texts: string[]) => { add: string[]; remove: string[] }) {
    if (typeof label !== 'string') throw check.invalid('the label', 'a string', label);
    const texts = typeof examples === 'string' ? [check.checkText(examples, 'the example')] : check.checkTexts(examples, 'examples', 'a string or an array of strings');
    const control = check.checkControl(check.checkOptions(given));
    this.#held();
    const done = this.#changed.then(async () => {
      const before = this.#held();
      const call: Call = { method: 'change', tagger: before, label, ...change(texts), input: [] };
      const [changed] = await this.#run<LabelChange>([call], silent(control));
      const state = frozen(await learn(changed!, { known: before.bytes }, this.#host, control));
      if (!this.#state) {
        this.#forget(state);
        throw new PieError('disposed', 'the tagger was disposed');
      }
      this.#state = state;
      this.#forget(before);
    });
    // Also after one that fails.
    this.#changed = done.catch(() => {});
    return done;
  }
}

/** Engines that start later receive the same. */
function frozen(state: State): State {
  return { ...state, labels: Object.freeze(state.labels) as string[], judged: Object.freeze(state.judged) };
}
