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
