import type { Learning } from './analysis.js';
import type { EngineLabel, EngineView } from './engine.js';
import { PieError } from './error.js';
import type {
  Chat, ChatPart, ChatTurn, ClassifyOptions, IndexId, LabelledText, ListOptions, ModelInfo, SelectOptions, StepOptions, TaggerLabel, TaggerOptions,
  TextOrChat, Vectors, View, ViewOptions,
} from './types.js';

const MAX_COUNT = 2 ** 31 - 1;
// WebAssembly addresses 4 GiB, and the analyses need up to three times the size of their vectors (2.8 GiB measured at this limit).
const MAX_VECTOR_BYTES = 2 ** 30;
// In UTF-8 a character takes up to three bytes, and the tokenizer needs a few more for each.
const MAX_CHARACTERS = 2 ** 26;
// The largest buffer that all platforms hash.
export const MAX_FILE_BYTES = 2 ** 31 - 1;
// More than any machine has cores for, and a page would run out of memory.
const MAX_POOL = 64;
// One character that is not white space, in the engine's sense (Unicode's White_Space property). A search for one needs no stack; a match of
// the whole text against white space overflows it from some million characters on.
const TEXT = /\P{White_Space}/u;

export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  return typeof value === 'object' ? `a ${value.constructor?.name ?? 'object'}` : typeof value;
}

export function invalid(what: string, expected: string, value: unknown): PieError {
  return new PieError('invalid_argument', `${what} must be ${expected}, not ${describe(value)}`);
}

export function checkText(value: unknown, what: string): string {
  if (typeof value !== 'string') throw invalid(what, 'a string', value);
  checkLength(value, what);
  if (!TEXT.test(value)) throw new PieError('blank_text', `${what} is blank`);
  return value;
}

function checkLength(value: string, what: string): string {
  if (value.length <= MAX_CHARACTERS) return value;
  throw tooLarge(`${what} has ${whole(value.length)} characters; the engine takes texts of up to ${whole(MAX_CHARACTERS)}: give a part of it`);
}

export function checkTexts(value: unknown, what: string, expected = 'an array of strings'): string[] {
  if (!Array.isArray(value)) throw invalid(what, expected, value);
  if (value.length === 0) throw new PieError('no_texts', `${what} is an empty array`);
  return Array.from(value, (text, index) => checkText(text, `${what}[${index}]`));
}

export function tooLarge(message: string, cause?: unknown): PieError {
  return new PieError('too_large', message, cause === undefined ? undefined : { cause });
}

export const whole = (number: number) => number.toLocaleString('en');

/** Makes an array, or throws `too_large` when there is no memory for it; `bytes` is for the message. */
export function allocate<T>(what: string, bytes: number, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw tooLarge(`there is no memory for ${what} of ${whole(bytes)} bytes: ${error.message}`, error);
  }
}

/** A copy of the array, in a buffer that the caller cannot change, transfer or shrink. */
export function copyOf<T extends Float32Array | Uint8Array>(view: T, what: string): T extends Uint8Array ? Uint8Array<ArrayBuffer> : Float32Array<ArrayBuffer> {
  type Copy = ReturnType<typeof copyOf<T>>;
  const make = () => (view instanceof Uint8Array ? new Uint8Array(view) : new Float32Array(view)) as Copy;
  try {
    return allocate(`a copy of ${what}`, view.byteLength, make);
  } catch (error) {
    throw error instanceof TypeError ? gone(what, error) : error;
  }
}

/** A copy of the vectors; all numbers must be finite, and there must be `width` dimensions where that is given. */
export function checkVectors(value: unknown, expected: string, width?: number): Vectors {
  const { data, dims, unread } = Object(value) as Partial<Vectors>;
  const [rows, dimensions, ...more] = Array.isArray(dims) ? (dims as unknown[]) : [];
  const isCount = (count: unknown): count is number => Number.isInteger(count) && (count as number) >= 0;
  if (!(data instanceof Float32Array) || !isCount(rows) || !isCount(dimensions) || more.length > 0) {
    throw invalid('texts', `${expected} or { data: Float32Array, dims: [rows, dimensions] }`, value);
  }
  return { ...take(data, rows, dimensions, width), ...(unread === undefined ? {} : { unread: checkUnread(unread, rows) }) };
}

/** A copy of the shares of so many texts. */
function checkUnread(value: unknown, texts: number): Float32Array {
  if (!(value instanceof Float32Array)) throw invalid('unread', 'a Float32Array, as embed gives it', value);
  const own = copyOf(value, 'the Float32Array of unread');
  const odd = own.findIndex((share) => !(share >= 0 && share <= 1));
  if (own.length === texts && odd < 0) return own;
  const found = odd < 0 ? `${own.length} shares for ${texts} vectors` : `${own[odd]} for vector ${odd}`;
  throw new PieError('invalid_argument', `unread must hold a share from 0 to 1 for each vector; it has ${found}`);
}

function take(data: Float32Array, rows: number, dimensions: number, width: number | undefined): Vectors {
  if (rows === 0) throw new PieError('no_texts', 'there are 0 vectors');
  checkVectorBytes(data.byteLength);
  const own = copyOf(data, 'the Float32Array of the vectors');
  if (rows * dimensions !== own.length || (width !== undefined && dimensions !== width)) {
    const wanted = width === undefined ? '' : `; they must have ${width} dimensions`;
    throw new PieError('invalid_dimensions', `${own.length} numbers came as ${rows} vectors of ${dimensions} dimensions${wanted}`);
  }
  // The copy is checked, since shared memory may change meanwhile.
  const odd = own.findIndex((number) => !Number.isFinite(number));
  if (odd >= 0) throw new PieError('invalid_argument', `vector ${Math.floor(odd / dimensions)} holds ${own[odd]}`);
  return { data: own, dims: [rows, dimensions] };
}

/** Refuses vectors that do not fit into the engine's memory. */
export function checkVectorBytes(bytes: number): void {
  if (bytes <= MAX_VECTOR_BYTES) return;
  throw tooLarge(`the vectors take ${whole(bytes)} bytes; the engine holds up to ${whole(MAX_VECTOR_BYTES)}: give them in parts`);
}

/** A copy of a file's bytes. */
export function checkBytes(value: ArrayBuffer | Uint8Array, what: string): Uint8Array<ArrayBuffer> {
  if (value.byteLength > MAX_FILE_BYTES) throw tooLarge(`the ${what} has ${whole(value.byteLength)} bytes; files of up to ${whole(MAX_FILE_BYTES)} are read`);
  return copyOf(value instanceof Uint8Array ? value : viewOf(value, what), `the ${what}`);
}

/** A view of the caller's bytes, without a copy. */
export function viewOf(value: ArrayBuffer | Uint8Array, what: string): Uint8Array {
  try {
    return value instanceof Uint8Array ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value);
  } catch (error) {
    throw gone(`the ${what}`, error);
  }
}

function gone(what: string, cause: unknown): PieError {
  const why = 'lies in a buffer that was transferred to another thread, or made shorter: give it before that, or give a copy';
  return new PieError('invalid_argument', `${what} ${why}`, { cause });
}

/** A list of texts, or the vectors of one. */
export function checkRows(value: unknown): string[] | Vectors {
  return Array.isArray(value) ? checkTexts(value, 'texts') : checkVectors(value, 'an array of strings');
}

/** One text or vector, or a list of either; `one` tells which. */
export function checkInput(value: unknown, width: number): { one: boolean; input: string[] | Vectors } {
  if (typeof value === 'string') return { one: true, input: [checkText(value, 'the text')] };
  if (Array.isArray(value)) return { one: false, input: checkTexts(value, 'texts') };
  if (value instanceof Float32Array) return { one: true, input: take(value, 1, value.length, width) };
  return { one: false, input: checkVectors(value, 'a string, an array of strings, a Float32Array', width) };
}

export function checkId(value: unknown): IndexId {
  if (typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))) return value;
  throw invalid('an id', 'a string or a number', value);
}

export function checkOptions<T extends object>(value: T | undefined): Partial<T> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('options', 'an object', value);
  }
  return value;
}

/** The options for abort and progress, read once when the call is made. */
export interface Control {
  signal: AbortSignal | undefined;
  onProgress: ListOptions['onProgress'] | undefined;
  onStep: StepOptions['onStep'] | undefined;
}

export function checkControl(options: Partial<StepOptions>): Control {
  return {
    signal: checkSignal(options.signal),
    onProgress: checkFunction(options.onProgress, 'onProgress'),
    onStep: checkFunction(options.onStep, 'onStep'),
  };
}

/** A whole number of 1 or more; what is beyond every list is cut to what the engine can count. */
export function checkCount(value: unknown, what: string): number | undefined {
  if (value === undefined) return undefined;
  if (!Number.isInteger(value) || (value as number) < 1) throw invalid(what, 'a whole number of 1 or more', value);
  return Math.min(value as number, MAX_COUNT);
}

export function checkPool(value: unknown): number {
  if (value === undefined) return 1;
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_POOL) return value as number;
  throw invalid('pool', `a whole number from 1 to ${MAX_POOL}`, value);
}

export function checkDevice(value: unknown): 'auto' | 'wasm' | 'webgpu' {
  if (value === undefined) return 'wasm';
  if (value === 'auto' || value === 'wasm' || value === 'webgpu') return value;
  throw invalid('device', "'auto', 'wasm' or 'webgpu'", value);
}

export function checkDimensions(value: unknown): number | undefined {
  if (value === undefined || (Number.isInteger(value) && (value as number) > 0)) return value as number | undefined;
  throw typeof value === 'number'
    ? new PieError('invalid_dimensions', `dimensions must be a whole number of 1 or more, not ${value}`)
    : invalid('dimensions', 'a number', value);
}

export function checkPrompt(value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw invalid('prompt', "'pie', 'short', 'none' or a template with {instruction}", value);
}

/** The view, and the weight of both: they must go together, and the model must have them. */
export function checkView({ view, mix }: ViewOptions, { name, views, viewSize }: ModelInfo, fallback: View = 'task'): EngineView {
  checkViewName(view);
  const chosen = view ?? fallback;
  if (chosen !== 'task' && views.length === 1) {
    const model = name === '' ? 'the model' : `the model ${describe(name)}`;
    throw new PieError('view_unavailable', `view is ${chosen}; ${model} has one view, task, of ${viewSize} dimensions`);
  }
  if (mix !== undefined && !(typeof mix === 'number' && mix >= 0 && mix <= 1)) throw invalid('mix', 'a number from 0 to 1', mix);
  if (mix !== undefined && chosen !== 'both') {
    throw new PieError('invalid_argument', `mix is ${mix}, but view is ${chosen}; a mix weighs the views of both`);
  }
  return { view: chosen, mix };
}

function checkViewName(view: unknown): void {
  if (view === undefined || view === 'task' || view === 'meaning' || view === 'both') return;
  throw invalid('view', "'task', 'meaning' or 'both'", view);
}

/** Refuses a call on an index that asks for another view than the index was made with. */
export function checkSameView(options: object, own: EngineView): void {
  const { view = own.view, mix = own.mix } = options as ViewOptions;
  checkViewName(view);
  // Both views have a mix of a half unless a caller says otherwise.
  if (view === own.view && (mix ?? 0.5) === (own.mix ?? 0.5)) return;
  const words = (view: unknown, mix: unknown) => `view ${describe(view)}${mix === undefined ? '' : ` and mix ${describe(mix)}`}`;
  throw new PieError('invalid_argument', `the index was made with ${words(own.view, own.mix)}; ${words(view, mix)} needs an index of its own`);
}

/** All that a model says of a text: by this near-duplicates are found, unless the caller says otherwise, and taggers learn. */
export const fullView = ({ views }: ModelInfo): View => (views.length > 1 ? 'both' : 'task');

export const widthOf = ({ view }: EngineView, { viewSize }: ModelInfo): number => (view === 'both' ? 2 * viewSize : viewSize);

export function checkLevel(value: unknown): ClassifyOptions['level'] {
  if (value === undefined || value === 'family' || value === 'kind' || value === 'task') return value;
  throw invalid('level', "'family', 'kind' or 'task'", value);
}

/** A share or a cosine of 0 to 1. */
export function checkThreshold(value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value;
  throw invalid('threshold', 'a number from 0 to 1', value);
}

export function checkSeed(value: unknown): number {
  if (value === undefined) return 0;
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw invalid('seed', `a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`, value);
}

/** How many of so many rows. */
export function checkShare(value: unknown, what: string, rows: number): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= rows) return value as number;
  throw invalid(what, `a whole number from 1 to the ${rows} texts there are`, value);
}

export function checkMethod(value: unknown): NonNullable<SelectOptions['method']> {
  if (value === undefined) return 'kmeans';
  if (value === 'kmeans' || value === 'k-center' || value === 'facility-location') return value;
  throw invalid('method', "'kmeans', 'k-center' or 'facility-location'", value);
}

export function checkSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value;
  throw invalid('signal', 'an AbortSignal', value);
}

export function checkFunction<T extends (...given: never[]) => void>(value: T | undefined, what: string): T | undefined {
  if (value === undefined || typeof value === 'function') return value;
  throw invalid(what, 'a function', value);
}

const LABELS = 'an object of labels, such as { label: [text, …] }';
const LABEL = 'a description, an array of examples, or { description, examples, not }';

/** Copies of labels. What they say as a whole, such as one example under two of them, the engine checks. */
export function checkLabels(value: unknown): EngineLabel[] {
  if (!isObject(value)) throw invalid('labels', LABELS, value);
  const entries = Object.entries(value);
  if (entries.length === 0) throw new PieError('no_texts', 'there is no label');
  return entries.map(([name, label]) => {
    const what = `labels[${describe(name)}]`;
    if (typeof label === 'string') return { name, description: checkText(label, what), examples: [], not: [] };
    if (Array.isArray(label)) return { name, examples: checkTexts(label, what), not: [] };
    if (!isObject(label)) throw invalid(what, LABEL, label);
    const { description, examples = [], not = [], ...others } = label as TaggerLabel;
    const [other] = Object.keys(others);
    if (other !== undefined) throw new PieError('invalid_argument', `${what} has ${describe(other)}; it must be ${LABEL}`);
    const list = (texts: unknown, key: string) => (Array.isArray(texts) && texts.length === 0 ? [] : checkTexts(texts, `${what}.${key}`));
    return {
      name,
      description: description === undefined ? undefined : checkText(description, `${what}.description`),
      examples: list(examples, 'examples'),
      not: list(not, 'not'),
    };
  });
}

export function checkLearning({ multi, thresholds, unknownShare }: Partial<TaggerOptions>): Learning {
  for (const [what, value] of Object.entries({ multi, thresholds })) {
    if (value !== undefined && typeof value !== 'boolean') throw invalid(what, 'true or false', value);
  }
  if (unknownShare !== undefined && !(typeof unknownShare === 'number' && unknownShare >= 0 && unknownShare < 1)) {
    throw invalid('unknownShare', 'a number from 0 to below 1', unknownShare);
  }
  return { multi: multi ?? false, thresholds: thresholds ?? false, unknownShare };
}

/** Copies of labelled texts. */
export function checkLabelled(value: unknown): { texts: string[]; labels: string[] } {
  if (!Array.isArray(value)) throw invalid('rows', 'an array of { text, label }', value);
  if (value.length === 0) throw new PieError('no_texts', 'rows is an empty array');
  const rows = Array.from(value as unknown[], (row) => Object(row) as Partial<LabelledText>);
  return {
    texts: rows.map(({ text }, n) => checkText(text, `rows[${n}].text`)),
    labels: rows.map(({ label }, n) => {
      if (typeof label !== 'string') throw invalid(`rows[${n}].label`, 'a string', label);
      return label;
    }),
  };
}

/** One text or chat, or a list of them; `one` tells which. */
export function checkPrompts(value: unknown): { one: boolean; texts: TextOrChat[] } {
  if (typeof value === 'string') return { one: true, texts: [checkText(value, 'the text')] };
  if (!Array.isArray(value)) throw invalid('texts', 'a string, a chat or an array of them', value);
  // A chat is an array of turns, and a list has strings and arrays.
  if (isObject(value[0])) return { one: true, texts: [checkChat(value, 'the chat')] };
  if (value.length === 0) throw new PieError('no_texts', 'texts is an empty array');
  const texts = Array.from(value, (text, n) => (Array.isArray(text) ? checkChat(text, `texts[${n}]`) : checkText(text, `texts[${n}]`)));
  return { one: false, texts };
}

/** The same, or vectors. */
export function checkAsked(value: unknown, width: number): { one: boolean; input: TextOrChat[] | Vectors } {
  if (typeof value !== 'string' && !Array.isArray(value)) return checkInput(value, width);
  const { one, texts } = checkPrompts(value);
  return { one, input: texts };
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A copy of what the engine reads of a chat. The rest, such as images, is not sent to it. */
function checkChat(value: unknown[], what: string): Chat {
  return Array.from(value, (turn, n) => {
    if (!isObject(turn)) throw invalid(`${what}[${n}]`, 'a turn, { role, content }', turn);
    const { role, content } = turn as ChatTurn;
    if (typeof role !== 'string') throw invalid(`${what}[${n}].role`, 'a string', role);
    if (content === undefined || content === null) return { role, content: null };
    if (typeof content === 'string') return { role, content: checkLength(content, `${what}[${n}].content`) };
    if (!Array.isArray(content)) throw invalid(`${what}[${n}].content`, 'a string or an array of parts', content);
    const parts = Array.from(content as unknown[], (part, at) => {
      const { type, text } = Object(part) as Partial<ChatPart>;
      const place = `${what}[${n}].content[${at}]`;
      if (typeof text === 'string') return { type: 'text', text: checkLength(text, place) };
      if (typeof type !== 'string') throw invalid(place, 'a part, { type, text }', part);
      return { type };
    });
    return { role, content: parts };
  });
}
