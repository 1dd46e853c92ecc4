// What the benches share, in pages and in Node.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

export function cosine(a, b) {
  const dot = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** ms of each text in each round, one text a call. */
export async function timeEach(embed, texts, rounds) {
  const timesMs = texts.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, text] of texts.entries()) {
      const before = performance.now();
      await embed(text);
      timesMs[index].push(performance.now() - before);
    }
  }
  return timesMs;
}

/** Of what `timeEach` gave: the median over the texts of each one's fastest round, and of each one's median round. */
export const summarize = (timesMs) => ({
  best_ms: median(timesMs.map((times) => Math.min(...times))),
  median_ms: median(timesMs.map(median)),
});
