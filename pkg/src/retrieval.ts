import * as check from './argument.js';
import type { Control } from './argument.js';
import type { IndexChange, IndexRows } from './call.js';
import type { EngineHit, EngineView } from './engine.js';
import { aborted, PieError } from './error.js';
import type { CallOptions, Index, IndexHit, IndexId, ListOptions, Vectors, View } from './types.js';

const DEFAULT_K = 5;

/** What an index needs of its embedder. */
export interface IndexHost {
  embed(texts: string[], control: Control): Promise<Vectors>;
  search(rows: IndexRows, input: string[] | Vectors, k: number, control: Control): Promise<EngineHit[][]>;
  forget(): void;
}

/** An index, wherever it is searched: a change waits for the calls made before it, a search for the changes. */
export class TextIndex implements Index {
  readonly #rows: Rows;
  #host: IndexHost | undefined;
  #changed: Promise<unknown> = Promise.resolve();
  readonly #searches = new Set<Promise<unknown>>();

  constructor(id: number, view: EngineView, dimensions: number, host: IndexHost) {
    this.#rows = new Rows(id, view, dimensions);
    this.#host = host;
  }

  get view(): View {
    return this.#rows.view.view;
  }

  get mix(): number | undefined {
    return this.#rows.view.mix;
  }

  get size(): number {
    return this.#rows.size;
  }

  add(id: IndexId, text: string | Float32Array, options?: CallOptions): Promise<void>;
  add(ids: readonly IndexId[], texts: readonly string[] | Vectors, options?: ListOptions): Promise<void>;
  async add(id: IndexId | readonly IndexId[], texts: string | Float32Array | readonly string[] | Vectors, given?: ListOptions) {
    const { one, input } = check.checkInput(texts, this.#rows.dimensions);
    const ids = Array.isArray(id) ? Array.from(id, check.checkId) : [check.checkId(id)];
    const count = Array.isArray(input) ? input.length : input.dims[0];
    if (one === Array.isArray(id) || ids.length !== count) {
      throw new PieError('invalid_argument', `${ids.length} ids cannot go with ${count} texts: give one of each, or lists of one length`);
    }
    const control = this.#control(given);
    const host = this.#held();
    if (control.signal?.aborted) throw aborted(control.signal);
    const vectors = Array.isArray(input) ? host.embed(input, control) : Promise.resolve(input);
    await this.#change(vectors, ({ data }) => {
      // The signal may have been aborted while earlier changes were applied.
      if (control.signal?.aborted) throw aborted(control.signal);
      this.#rows.put(ids, data);
    });
  }

  async remove(id: IndexId): Promise<boolean> {
    const checked = check.checkId(id);
    this.#held();
    return this.#change(Promise.resolve(), () => this.#rows.remove(checked));
  }

  search(query: string | Float32Array, k?: number, options?: CallOptions): Promise<IndexHit[]>;
  search(queries: readonly string[] | Vectors, k?: number, options?: ListOptions): Promise<IndexHit[][]>;
  async search(query: string | Float32Array | readonly string[] | Vectors, k?: number, given?: ListOptions) {
    const { one, input } = check.checkInput(query, this.#rows.dimensions);
    const count = check.checkCount(k, 'k') ?? DEFAULT_K;
    const control = this.#control(given);
    this.#held();
    const search = this.#changed
      .then(() => this.#held().search(this.#rows, input, count, control))
      .then((lists) => lists.map((hits) => hits.map(({ row, score }): IndexHit => ({ id: this.#rows.idOf(row), score }))));
    this.#searches.add(search);
    try {
      const found = await search;
      return one ? found[0]! : found;
    } finally {
      this.#searches.delete(search);
    }
  }

  dispose(): void {
    const host = this.#host;
    this.#host = undefined;
    // After the searches under way: for them an engine would make the index anew.
    void Promise.allSettled(this.#searches).then(() => host?.forget());
  }

  #control(given: ListOptions | undefined): Control {
    const options = check.checkOptions(given);
    check.checkSameView(options, this.#rows.view);
    return check.checkControl(options);
  }

  #held(): IndexHost {
    if (!this.#host) throw new PieError('disposed', 'the index was disposed');
    return this.#host;
  }

  #change<T, R>(ready: Promise<T>, apply: (ready: T) => R): Promise<R> {
    const earlier = Promise.allSettled([this.#changed, ...this.#searches]);
    const done = Promise.all([ready, earlier]).then(([ready]) => apply(ready));
    // Also where this one fails at once, the next waits for those before.
    this.#changed = Promise.allSettled([earlier, done]);
    return done;
  }
}

/**
 * The vectors and what they belong to. They stay on the caller's thread, and an engine gets with a search those that it has not seen:
 * so a worker that was started anew, or is one of several, searches the same rows.
 */
class Rows implements IndexRows {
  #data = new Float32Array();
  #revision = 0;
  readonly #ids: IndexId[] = [];
  readonly #rowOf = new Map<IndexId, number>();
  /** When each row was written last. */
  readonly #writtenAt: number[] = [];

  constructor(
    readonly id: number,
    readonly view: EngineView,
    readonly dimensions: number,
  ) {}

  get size(): number {
    return this.#ids.length;
  }

  idOf(row: number): IndexId {
    return this.#ids[row]!;
  }

  /** Writes all of these rows; when there is no memory for them, none. */
  put(ids: IndexId[], data: Float32Array): void {
    this.#reserve(this.size + new Set(ids.filter((id) => !this.#rowOf.has(id))).size);
    this.#revision++;
    for (const [index, id] of ids.entries()) {
      const row = this.#rowOf.get(id) ?? this.#ids.push(id) - 1;
      this.#rowOf.set(id, row);
      this.#write(row, data.subarray(index * this.dimensions, (index + 1) * this.dimensions));
    }
  }

  /** The last row takes the place of the one that goes. */
  remove(id: IndexId): boolean {
    const row = this.#rowOf.get(id);
    if (row === undefined) return false;
    this.#revision++;
    const last = this.size - 1;
    this.#ids[row] = this.#ids[last]!;
    this.#rowOf.set(this.#ids[row], row);
    this.#write(row, this.#row(last));
    this.#ids.pop();
    this.#writtenAt.pop();
    this.#rowOf.delete(id);
    return true;
  }

  since(revision: number): IndexChange {
    const rows = Uint32Array.from(this.#writtenAt.keys()).filter((row) => this.#writtenAt[row]! > revision);
    const length = rows.length * this.dimensions;
    const data = check.allocate('a copy of the index', length * Float32Array.BYTES_PER_ELEMENT, () => new Float32Array(length));
    for (const [index, row] of rows.entries()) data.set(this.#row(row), index * this.dimensions);
    return { id: this.id, view: this.view, revision: this.#revision, size: this.size, dimensions: this.dimensions, rows, data };
  }

  #reserve(rows: number): void {
    const bytes = rows * this.dimensions * Float32Array.BYTES_PER_ELEMENT;
    check.checkVectorBytes(bytes);
    if (bytes <= this.#data.byteLength) return;
    const grown = check.allocate('the index', 2 * bytes, () => new Float32Array(2 * rows * this.dimensions));
    grown.set(this.#data);
    this.#data = grown;
  }

  #row(row: number): Float32Array {
    return this.#data.subarray(row * this.dimensions, (row + 1) * this.dimensions);
  }

  #write(row: number, vector: Float32Array): void {
    this.#data.set(vector, row * this.dimensions);
    this.#writtenAt[row] = this.#revision;
  }
}
