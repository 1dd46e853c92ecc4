// The page's side, on its own thread: `measure(texts, passes)` is what bench.mjs calls. One text a call, one thread, as a visitor types.
import { PieEmbedder } from '/pkg/local.js';

globalThis.measure = async (texts, passes) => {
  const started = performance.now();
  const pie = await PieEmbedder.load();
  await pie.embed(texts[0]);
  const coldStartMs = performance.now() - started;

  for (const text of texts) await pie.embed(text);
  const timesMs = texts.map(() => []);
  for (let pass = 0; pass < passes; pass++) {
    for (const [index, text] of texts.entries()) {
      const before = performance.now();
      await pie.embed(text);
      timesMs[index].push(performance.now() - before);
    }
  }
  const info = pie.info();
  pie.dispose();
  return { coldStartMs, timesMs, info };
};
