// The page's side, on its own thread: `measure(texts, passes)` is what bench.mjs calls. One text a call, one thread, as a visitor types.
import { PieEmbedder } from '/pkg/local.js';
import { timeEach } from '../figures.mjs';

globalThis.measure = async (texts, passes) => {
  const started = performance.now();
  const pie = await PieEmbedder.load();
  await pie.embed(texts[0]);
  const coldStartMs = performance.now() - started;

  for (const text of texts) await pie.embed(text);
  const timesMs = await timeEach((text) => pie.embed(text), texts, passes);
  const info = pie.info();
  pie.dispose();
  return { coldStartMs, timesMs, info };
};

/** ms of each kind of work on so many vectors, in bundles as prompts of like tasks are. */
globalThis.measureVectors = async (rows) => {
  const pie = await PieEmbedder.load();
  const width = pie.info().viewSize;
  const data = new Float32Array(rows * width);
  // Noise as long as what a bundle has in common, the same in every run.
  for (let at = 0, state = 1; at < data.length; at++) {
    state = (state * 48_271) % 2_147_483_647;
    data[at] = (state / 2_147_483_647 - 0.5) * Math.sqrt(12 / width) + (at % width === Math.floor(at / width) % 100 ? 1 : 0);
  }
  const vectors = { data, dims: [rows, width] };
  const index = pie.index();
  await index.add(Array.from({ length: rows }, (_, row) => row), vectors);
  const query = data.slice(0, width);
  const works = {
    'index, first search': () => index.search(query, 5),
    'index, next search': () => index.search(query, 5),
    'cluster, k: 50': () => pie.cluster(vectors, { k: 50 }),
    'cluster, threshold: 0.4': () => pie.cluster(vectors, { threshold: 0.4 }),
    'select 100, kmeans': () => pie.select(vectors, { count: 100 }),
    'select 100, k-center': () => pie.select(vectors, { count: 100, method: 'k-center' }),
    'duplicates, threshold: 0.99': () => pie.duplicates(vectors, { threshold: 0.99 }),
    'classify': () => pie.classify(vectors),
    'map': () => pie.map(vectors),
  };
  const timesMs = {};
  for (const [name, work] of Object.entries(works)) {
    const started = performance.now();
    await work();
    timesMs[name] = performance.now() - started;
  }
  pie.dispose();
  return timesMs;
};
