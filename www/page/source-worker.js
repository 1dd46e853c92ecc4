// Reads a file of prompts in a worker: the page goes on meanwhile, and no more than a piece of the file is held.
import start, * as dataset from './dataset/pie_dataset.js';
import { readRows } from './rows.js';
import { unpack } from './unpack.js';

const PIECE = 1 << 20;

addEventListener('message', async ({ data: { file, name, options, most, cells } }) => {
  try {
    await start({ module_or_path: new URL('./dataset/pie_dataset_bg.wasm', import.meta.url) });
    if (cells) postMessage({ cells: cells.map(dataset.cells) });
    else await read(file, name, options, most);
    postMessage({ done: true });
  } catch ({ message }) {
    postMessage({ error: message });
  }
});

async function read(file, name, options, most) {
  const unpacked = await unpack(file, name, dataset.choose_files, { onProgress: (bytes) => postMessage({ phase: 'unpack', bytes }) });
  const pull = () => pulled(unpacked.data, (bytes) => postMessage({ phase: 'read', bytes, total: unpacked.data.size }));
  let rows = 0;
  try {
    for (const batch of readRows(dataset, pull(), unpacked.name, options)) {
      rows += batch.rows.length;
      postMessage({ batch: { ...batch, rows: rows > most ? batch.rows.slice(0, most - rows) : batch.rows } });
      if (rows > most) break;
    }
  } finally {
    // What may be chosen in place of a column that is missing.
    postMessage({ columns: columnsOf(unpacked, options), more: rows > most });
  }
}

/** None where the file cannot be read at all, of which the caller hears by another way. */
function columnsOf({ data, name }, { headless = false }) {
  try {
    return dataset.columns(pulled(data), name, headless);
  } catch {
    return [];
  }
}

/** Hands out a file piece by piece. */
function pulled(data, onProgress = () => {}) {
  const reader = new FileReaderSync();
  let at = 0;
  return () => {
    const piece = new Uint8Array(reader.readAsArrayBuffer(data.slice(at, at + PIECE)));
    at += piece.length;
    onProgress(at);
    return piece;
  };
}
