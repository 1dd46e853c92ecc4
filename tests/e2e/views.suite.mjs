// The views of a model that has two, on a tiny one with random weights: the same cases in Node and in a page (api.test.mjs).
// A case gets what those of the API suite get, and `twoViews`, the model's bytes.
import { equal, near, ok, sameVector, unit } from './api.suite.mjs';

const TEXTS = ['Write a poem about rain', 'Sort these numbers', 'Translate a letter', 'Write a poem about rain!', 'Explain the rule', 'List three cats'];

const dot = (a, b) => a.reduce((sum, value, at) => sum + value * b[at], 0);

/** A case with the tiny model loaded. */
const withViews = (run) => async (context) => {
  const pie = await context.PieEmbedder.load({ model: context.twoViews, taxonomy: null });
  try {
    await run({ ...context, pie, one: context.pie });
  } finally {
    pie.dispose();
  }
};

export const suite = {
  'info names the views': withViews(({ pie, one }) => {
    const { views, viewSize, hiddenSize } = pie.info();
    equal(JSON.stringify([views, viewSize, hiddenSize]), '[["task","meaning"],32,64]');
    if (one.info().views.length === 1) equal(one.info().viewSize, one.info().hiddenSize);
  }),

  'embed gives the view that is asked for': withViews(async ({ pie }) => {
    const [task, meaning, both] = await Promise.all(['task', 'meaning', 'both'].map((view) => pie.embed(TEXTS[0], { view })));
    equal([task, meaning, both].map(({ length }) => length).join(), '32,32,64');
    for (const vector of [task, meaning, both]) unit(vector);
    sameVector(await pie.embed(TEXTS[0]), task, 'the default');
    ok(Math.abs(dot(task, meaning)) < 0.9, 'the views are alike');
    const mixed = (mix) => Float32Array.from([...task.map((x) => x * Math.sqrt(mix)), ...meaning.map((x) => x * Math.sqrt(1 - mix))]);
    sameVector(both, mixed(0.5), 'both');
    for (const mix of [0, 0.25, 1]) sameVector(await pie.embed(TEXTS[0], { view: 'both', mix }), mixed(mix), `mix ${mix}`);
  }),

  'a batch equals its texts one by one, in every view': withViews(async ({ pie }) => {
    for (const options of [{}, { view: 'meaning' }, { view: 'both', mix: 0.3 }, { view: 'both', dimensions: 24 }]) {
      const { data, dims: [rows, width] } = await pie.embed(TEXTS, options);
      equal(rows, TEXTS.length);
      for (const [row, text] of TEXTS.entries()) {
        sameVector(data.subarray(row * width, (row + 1) * width), await pie.embed(text, options), `${JSON.stringify(options)}, text ${row}`);
      }
    }
  }),

  'fewer dimensions are the first ones of each view, normalised anew': withViews(async ({ pie }) => {
    const short = (vector) => vector.map((x) => x / Math.hypot(...vector));
    const [task, meaning] = [await pie.embed(TEXTS[0]), await pie.embed(TEXTS[0], { view: 'meaning' })];
    sameVector(await pie.embed(TEXTS[0], { dimensions: 8 }), short(task.subarray(0, 8)));
    sameVector(await pie.embed(TEXTS[0], { view: 'meaning', dimensions: 8 }), short(meaning.subarray(0, 8)));
    const both = await pie.embed(TEXTS[0], { view: 'both', dimensions: 16 });
    equal(both.length, 16);
    sameVector(short(both.subarray(0, 8)), short(task.subarray(0, 8)));
    sameVector(short(both.subarray(8)), short(meaning.subarray(0, 8)));
  }),

  'similarity is the cosine of the view, and that of both is weighed by the mix': withViews(async ({ pie }) => {
    const cosine = (options) => pie.similarity(TEXTS[0], TEXTS[1], options);
    const [task, meaning] = [await cosine({ view: 'task' }), await cosine({ view: 'meaning' })];
    equal(await cosine(), task);
    near(await cosine({ view: 'both' }), (task + meaning) / 2, 1e-5);
    near(await cosine({ view: 'both', mix: 0.2 }), 0.2 * task + 0.8 * meaning, 1e-5);
  }),

  'an index is searched by its own view': withViews(async ({ pie, code }) => {
    for (const view of [{}, { view: 'meaning' }, { view: 'both' }, { view: 'both', mix: 0.1 }]) {
      const index = pie.index(view);
      equal(index.view, view.view ?? 'task');
      equal(index.mix, view.mix);
      await index.add([...TEXTS.keys()].slice(1), TEXTS.slice(1));
      await index.add(0, await pie.embed(TEXTS[0], view));
      for (const { id, score } of await index.search('Sort', 3)) near(score, await pie.similarity('Sort', TEXTS[id], view), 1e-5, JSON.stringify(view));
      equal((await index.search(await pie.embed(TEXTS[2], view), 1))[0].id, 2);
      index.dispose();
    }
    const index = pie.index({ view: 'both' });
    equal(await code(index.add('a', await pie.embed('a'))), 'invalid_dimensions');
    equal(await code(index.search('a', 1, { view: 'task' })), 'invalid_argument');
    equal(await code(index.add('a', 'a', { view: 'both', mix: 0.3 })), 'invalid_argument');
    await index.add('a', 'a', { view: 'both' });
    index.dispose();
  }),

  'analyses take a view, and near-duplicates are found by both': withViews(async ({ pie }) => {
    const texts = Array.from({ length: 40 }, (_, n) => `${TEXTS[n % TEXTS.length]} ${n % 9}`);
    const same = async (call, view, by = view) => {
      equal(JSON.stringify(await call(texts, view)), JSON.stringify(await call(await pie.embed(texts, by), {})), JSON.stringify(view));
    };
    const calls = [
      (rows, view) => pie.cluster(rows, { k: 4, ...view }), (rows, view) => pie.select(rows, { count: 5, ...view }), (rows, view) => pie.map(rows, view),
    ];
    const duplicates = (rows, view) => pie.duplicates(rows, { threshold: 0.9, ...view });
    for (const view of [{}, { view: 'task' }, { view: 'meaning' }, { view: 'both', mix: 0.7 }]) {
      for (const call of calls) await same(call, view);
      await same(duplicates, view, view.view ? view : { view: 'both' });
    }
    await same(duplicates, { mix: 0.7 }, { view: 'both', mix: 0.7 });
  }),

  'own labels are told apart by both views': withViews(async ({ pie, code }) => {
    const tagger = await pie.tagger({ poem: ['Write a poem about rain'], sort: ['Sort these numbers'] });
    equal(tagger.view, 'both');
    const both = await pie.embed(TEXTS[0], { view: 'both' });
    equal(JSON.stringify(await tagger.classify(both)), JSON.stringify(await tagger.classify(TEXTS[0])));
    equal(await code(tagger.classify(await pie.embed(TEXTS[0]))), 'invalid_dimensions');
    equal(await code(pie.classify(both)), 'invalid_dimensions');
    tagger.dispose();
  }),

  'a view that the model lacks is unavailable': async ({ pie, code, PieError }) => {
    if (pie.info().views.length > 1) return;
    for (const view of ['meaning', 'both']) {
      for (const call of [
        pie.embed('a', { view }), pie.similarity('a', 'b', { view }), pie.cluster(['a', 'b'], { k: 1, view }), pie.select(['a', 'b'], { count: 1, view }),
        pie.duplicates(['a', 'b'], { threshold: 1, view }), pie.map(TEXTS, { view }), Promise.resolve().then(() => pie.index({ view })),
      ]) {
        equal(await code(call), 'view_unavailable', view);
      }
    }
    const error = await pie.embed('a', { view: 'both' }).catch((error) => error);
    ok(error instanceof PieError && error.message.includes(`one view, task, of ${pie.info().viewSize} dimensions`), error.message);
    sameVector(await pie.embed('a', { view: 'task' }), await pie.embed('a'));
  },

  'views, mixes and dimensions out of range are refused': withViews(async ({ pie, code }) => {
    for (const [options, expected] of [
      [{ view: 'sense' }, 'invalid_argument'], [{ view: 7 }, 'invalid_argument'], [{ view: null }, 'invalid_argument'],
      [{ mix: 0.5 }, 'invalid_argument'], [{ view: 'meaning', mix: 0.5 }, 'invalid_argument'],
      ...[-0.1, 1.1, NaN, Infinity, '0.5', null].map((mix) => [{ view: 'both', mix }, 'invalid_argument']),
      [{ dimensions: 33 }, 'invalid_dimensions'], [{ view: 'meaning', dimensions: 64 }, 'invalid_dimensions'],
      [{ view: 'both', dimensions: 65 }, 'invalid_dimensions'], [{ view: 'both', dimensions: 7 }, 'invalid_dimensions'],
    ]) {
      equal(await code(pie.embed('a', options)), expected, JSON.stringify(options));
    }
    const error = await pie.embed('a', { dimensions: 33 }).catch((error) => error);
    ok(error.message.includes('dimensions is 33; the task view has 32'), error.message);
  }),
};
