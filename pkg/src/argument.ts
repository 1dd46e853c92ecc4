import { PieError } from './error.js';
import type { IndexId, SelectOptions, Vectors } from './types.js';

const MAX_COUNT = 2 ** 31 - 1;
// More than any machine has cores for, and a page would run out of memory.
const MAX_POOL = 64;
// The same set that the engine calls white space (Unicode's White_Space property).
const BLANK = /^\p{White_Space}*$/u;

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
  if (BLANK.test(value)) throw new PieError('blank_text', `${what} is blank`);
  return value;
}

export function checkTexts(value: unknown, what: string, expected = 'an array of strings'): string[] {
  if (!Array.isArray(value)) throw invalid(what, expected, value);
  if (value.length === 0) throw new PieError('no_texts', `${what} is an empty array`);
  return Array.from(value, (text, index) => checkText(text, `${what}[${index}]`));
}

/** Vectors that hold nothing but numbers, in a buffer of their own; of `width` dimensions where that is given. */
export function checkVectors(value: unknown, expected: string, width?: number): Vectors {
  const { data, dims } = Object(value) as Partial<Vectors>;
  const whole = (count: unknown) => Number.isInteger(count) && (count as number) >= 0;
  if (!(data instanceof Float32Array) || !Array.isArray(dims) || dims.length !== 2 || !dims.every(whole)) {
    throw invalid('texts', `${expected} or { data: Float32Array, dims: [rows, dimensions] }`, value);
  }
  const [rows, dimensions] = dims as [number, number];
  if (rows === 0) throw new PieError('no_texts', 'there are 0 vectors');
  if (rows * dimensions !== data.length || (width !== undefined && dimensions !== width)) {
    const wanted = width === undefined ? '' : `; they must have ${width} dimensions`;
    throw new PieError('invalid_dimensions', `${data.length} numbers came as ${rows} vectors of ${dimensions} dimensions${wanted}`);
  }
  const odd = data.findIndex((number) => !Number.isFinite(number));
  if (odd >= 0) throw new PieError('invalid_argument', `vector ${Math.floor(odd / dimensions)} holds ${data[odd]}`);
  const own = data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength;
  return { data: own ? data : data.slice(), dims: [rows, dimensions] };
}

/** A list of texts, or the vectors of one. */
export function checkRows(value: unknown): string[] | Vectors {
  return Array.isArray(value) ? checkTexts(value, 'texts') : checkVectors(value, 'an array of strings');
}

/** One text or vector, or a list of either; `one` tells which. */
export function checkInput(value: unknown, width: number): { one: boolean; input: string[] | Vectors } {
  if (typeof value === 'string') return { one: true, input: [checkText(value, 'the text')] };
  if (Array.isArray(value)) return { one: false, input: checkTexts(value, 'texts') };
  const one = value instanceof Float32Array;
  const vectors = one ? { data: value, dims: [1, value.length] } : value;
  return { one, input: checkVectors(vectors, 'a string, an array of strings, a Float32Array', width) };
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

export function checkLevel(value: unknown): 'task' | 'kind' | undefined {
  if (value === undefined || value === 'task' || value === 'kind') return value;
  throw invalid('level', "'task' or 'kind'", value);
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

export function checkExamples(value: unknown): [labels: string[], examples: string[][]] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('examples', 'an object of arrays, such as { label: [text, …] }', value);
  }
  const entries = Object.entries(value);
  if (entries.length === 0) throw new PieError('no_texts', 'examples has no label');
  return [
    entries.map(([label]) => label),
    entries.map(([label, texts]) => checkTexts(texts, `examples[${JSON.stringify(label)}]`)),
  ];
}
