import { PieEmbedder } from '/pkg/index.js';

export async function load(options) {
  const pie = await PieEmbedder.load(options);
  return async (texts) => (texts.length === 1 ? pie.embed(texts[0]) : (await pie.embed(texts)).data);
}
