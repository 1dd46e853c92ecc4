// One engine in a page of its own: page.html?{"engine": …, "first": TEXT, "options": {…}}. browser.mjs calls what hangs on globalThis.
const { engine, first, options } = JSON.parse(decodeURIComponent(location.search.slice(1)));

/** Every engine's `load` resolves to a function: texts -> their vectors, one after another in one Float32Array. */
const { load } = await import(`./engine/${engine}.js`);
const embed = await load(options);
await embed([first]);
// Counted from the start of the navigation.
globalThis.coldStartMs = performance.now();

globalThis.vectors = async (texts) => {
  const vectors = [];
  for (const text of texts) vectors.push(Array.from(await embed([text])));
  return vectors;
};

// After the cold start, which is not to wait for it.
const { timeEach } = await import('../figures.mjs');
globalThis.oneByOne = (texts, rounds) => timeEach((text) => embed([text]), texts, rounds);

globalThis.batches = async (texts, size) => {
  for (let start = 0; start < texts.length; start += size) await embed(texts.slice(start, start + size));
};
