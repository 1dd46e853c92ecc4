import { describe } from './argument.js';
import { PieError } from './error.js';

const ARCHITECTURE = 'bert';
const VERSIONS = [2, 3];
const STRING = 8;
// Bytes of a value of each kind of metadata; a kind that is not here has no length of its own.
const WIDTHS: Record<number, number> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
const HEAD = 24;

/**
 * Refuses a file whose first bytes show that the engine cannot run it, so that nobody downloads or copies the rest of it. What cannot be
 * told from these bytes is left to the engine.
 */
export function checkModelStart(bytes: Uint8Array): void {
  const [magic, view] = [bytes.subarray(0, 4), new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)];
  if (bytes.length < HEAD) return;
  if (text(magic) !== 'GGUF') {
    const found = Array.from(magic, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw new PieError('model_format', `the model begins with the bytes ${found}, not with "GGUF": give a GGUF file`);
  }
  const version = view.getUint32(4, true);
  if (!VERSIONS.includes(version)) {
    throw new PieError('model_format', `the model is a GGUF file of version ${version}; versions ${VERSIONS.join(' and ')} are read`);
  }
  const architecture = architectureOf(bytes, view);
  if (architecture !== undefined && architecture !== ARCHITECTURE) {
    throw new PieError('model_unsupported', `the model has the architecture ${describe(architecture)}; only ${describe(ARCHITECTURE)} is run`);
  }
}

/** `general.architecture`, which writers of GGUF files put first; undefined where it is not among the bytes. */
function architectureOf(bytes: Uint8Array, view: DataView): string | undefined {
  let at = HEAD;
  // Beyond the bytes `subarray` gives less, and `DataView` throws.
  const string = () => {
    const length = Number(view.getBigUint64(at, true));
    at += 8 + length;
    return text(bytes.subarray(at - length, at));
  };
  try {
    while (at < bytes.length) {
      const key = string();
      const kind = view.getUint32(at, true);
      at += 4;
      if (key === 'general.architecture') return kind === STRING && at + 8 + Number(view.getBigUint64(at, true)) <= bytes.length ? string() : undefined;
      const width = WIDTHS[kind];
      if (kind === STRING) string();
      else if (width !== undefined) at += width;
      else return undefined;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return undefined;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
