/** What can go wrong, as a string that stays the same from version to version. */
export type ErrorCode =
  // the caller's arguments
  | 'invalid_argument'
  | 'no_texts'
  | 'blank_text'
  | 'invalid_prompt'
  | 'invalid_dimensions'
  | 'too_large'
  // loading
  | 'network'
  | 'not_found'
  | 'http_status'
  | 'integrity'
  | 'wasm_unsupported'
  | 'worker_failed'
  | 'no_webgpu'
  | 'gpu_failed'
  | 'aborted'
  // the files
  | 'model_format'
  | 'model_unsupported'
  | 'model_corrupt'
  | 'taxonomy_format'
  | 'taxonomy_mismatch'
  | 'tagger_format'
  | 'tagger_mismatch'
  // the instance
  | 'no_taxonomy'
  | 'level_unavailable'
  | 'view_unavailable'
  | 'disposed'
  | 'internal';

/** Every failure of this package: `code` to act on, `message` to read. */
export class PieError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PieError';
    this.code = code;
  }
}

/** Advice for a bundle that contains the package's scripts without its other files. */
export const NO_FILES =
  'a bundle of its scripts does not have its files. Leave pie-embed-wasm out of the bundle (esbuild: --external:pie-embed-wasm), ' +
  'or give load() the files: { wasm, model, taxonomy }';

/** An error thrown by the engine in wasm, which carries its own code; a trap carries none. */
export function fromEngine(error: unknown): PieError {
  if (error instanceof PieError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string'
    ? new PieError(code as ErrorCode, message, { cause: error })
    : new PieError('internal', `the engine failed: ${message}`, { cause: error });
}

/** Converts any error to a `PieError`: a lack of memory to `too_large`, an unknown error to `internal`. */
export function typed(error: unknown): PieError {
  if (error instanceof RangeError) return new PieError('too_large', `there is no memory for it: ${error.message}`, { cause: error });
  return fromEngine(error);
}

/** What an aborted call rejects with; the signal's own reason is its cause. */
export function aborted(signal: AbortSignal): PieError {
  return new PieError('aborted', 'the call was aborted', { cause: signal.reason });
}
