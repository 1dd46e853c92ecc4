// Rows of a stream, by the wasm module that holds the project's readers. Free of workers and files, so that it runs wherever wasm does.
const MOST_ROWS = 1000;
const MOST_BYTES = 1 << 22;

/**
 * Reads the texts of a stream; `pull()` returns its next bytes, and none at the end. Yields `{ rows, faults, notes, recognised }` batch
 * after batch: the notes are new ones, and what is recognised is what was seen so far.
 */
export function* readRows({ RowReader }, pull, name, { column, turns, headless = false } = {}) {
  const reader = new RowReader(pull, name, column, turns, headless);
  try {
    for (let ended = false; !ended;) {
      const batch = reader.read(MOST_ROWS, MOST_BYTES);
      ended = batch.ended;
      yield { rows: batch.rows, faults: batch.faults, notes: reader.notes(), recognised: reader.recognised() };
    }
  } finally {
    reader.free();
  }
}
