import { describe } from './argument.js';
import { PieError } from './error.js';

const MAGIC = 0x46554747;
const VERSIONS = [2, 3];
const ARCHITECTURE = 'bert';
// GGML's numbers of f32, f16, q4_0 and q8_0.
const TYPES = [0, 1, 2, 8];
const STRING = 8;
const ARRAY = 9;
// Bytes of a value, by the number of its kind.
const WIDTHS: Record<number, number> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };

/**
 * Throws when a file's beginning shows that the engine cannot run it, so that the rest is neither downloaded nor copied. Returns whether the
 * beginning held the whole header; false asks for more bytes. Everything else about the file is checked by the engine.
 */
export function checkModelStart(bytes: Uint8Array): boolean {
  try {
    readHeader(bytes);
    return true;
  } catch (error) {
    // The header goes on beyond these bytes.
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function readHeader(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const number = () => view.getUint32((at += 4) - 4, true);
  const size = () => Number(view.getBigUint64((at += 8) - 8, true));
  const string = () => {
    const length = size();
    if (at + length > bytes.length) throw new RangeError();
    return bytes.subarray(at, (at += length));
  };

  if (number() !== MAGIC) {
    const found = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw new PieError('model_format', `the model begins with the bytes ${found}, not with "GGUF": give a GGUF file`);
  }
  const version = number();
  if (!VERSIONS.includes(version)) {
    throw new PieError('model_unsupported', `the model is a GGUF file of version ${version}; versions ${VERSIONS.join(' and ')} are read`);
  }
  const [tensors, entries] = [size(), size()];
  for (let entry = 0; entry < entries; entry++) {
    const key = text(string());
    let kind = number();
    let count = 1;
    if (kind === ARRAY) [kind, count] = [number(), size()];
    const width = WIDTHS[kind];
    if (kind === STRING) {
      for (; count > 0; count--) {
        const value = string();
        if (key === 'general.architecture') checkArchitecture(text(value));
      }
    } else if (width !== undefined) {
      at += width * count;
    } else {
      return;
    }
  }
  for (let tensor = 0; tensor < tensors; tensor++) {
    const name = text(string());
    const rank = number();
    at += 8 * rank;
    const type = number();
    size();
    if (!TYPES.includes(type)) {
      throw new PieError('model_unsupported', `the model's tensor ${describe(name)} has GGML type ${type}; f32 (0), f16 (1), q4_0 (2) and q8_0 (8) are read`);
    }
  }
}

function checkArchitecture(architecture: string): void {
  if (architecture === ARCHITECTURE) return;
  throw new PieError('model_unsupported', `the model has the architecture ${describe(architecture)}; only ${describe(ARCHITECTURE)} is run`);
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
