// What the package promises, whatever it runs on: the same cases in Node and in a page (api.test.mjs).
// A case gets { pie, PieEmbedder, PieError, model, taxonomy }: a loaded embedder, the classes, the shipped files' bytes.

const TEXTS = [
  'Write a haiku about snow',
  'Summarize the following article in three sentences.',
  'Translate',
  'How many legs does a spider have, and why is that so? Explain it to a child of five, with an example from the garden.',
  'Fix the bug in this function:\n\ndef f(x):\n  return x +',
];

export function ok(condition, message) {
  if (!condition) throw new Error(message);
}

export function equal(actual, expected, what = 'value') {
  ok(Object.is(actual, expected), `${what}: ${actual} is not ${expected}`);
}

export function near(actual, expected, tolerance, what = 'value') {
  ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual} is not ${expected} within ${tolerance}`);
}

export function sameVector(a, b, what = 'vector') {
  equal(a.length, b.length, `${what}'s length`);
  const worst = a.reduce((worst, value, index) => Math.max(worst, Math.abs(value - b[index])), 0);
  ok(worst <= 1e-6, `${what} is off by ${worst}`);
}

export function unit(vector) {
  near(Math.hypot(...vector), 1, 1e-5, 'length of the vector');
}

export const suite = {
  async 'embed gives one vector of unit length'({ pie }) {
    const vector = await pie.embed(TEXTS[0]);
    ok(vector instanceof Float32Array, 'not a Float32Array');
    equal(vector.length, pie.info().viewSize);
    unit(vector);
  },

  async 'a batch equals its texts one by one'({ pie }) {
    const texts = Array.from({ length: 23 }, (_, index) => `${TEXTS[index % TEXTS.length]} ${index}`);
    const { data, dims, truncated, unread } = await pie.embed(texts);
    const width = pie.info().viewSize;
    equal(dims.join(), [texts.length, width].join(), 'dims');
    equal(truncated.join(), texts.map(() => false).join(), 'truncated');
    equal(unread.join(), texts.map(() => 0).join(), 'unread');
    for (const [index, text] of texts.entries()) {
      sameVector(data.subarray(index * width, (index + 1) * width), await pie.embed(text), `text ${index}`);
    }
  },

  async 'fewer dimensions are the first ones, normalised anew'({ pie }) {
    const [whole, short] = [await pie.embed(TEXTS[0]), await pie.embed(TEXTS[0], { dimensions: 64 })];
    equal(short.length, 64);
    unit(short);
    const length = Math.hypot(...whole.subarray(0, 64));
    sameVector(short, whole.subarray(0, 64).map((value) => value / length));
    sameVector(await pie.embed(TEXTS[0], { dimensions: whole.length }), whole);
  },

  async 'dimensions out of range are refused'({ pie, code }) {
    for (const dimensions of [0, -1, 1.5, NaN, Infinity, pie.info().viewSize + 1, 1e12]) {
      equal(await code(pie.embed(TEXTS[0], { dimensions })), 'invalid_dimensions', `dimensions ${dimensions}`);
    }
    equal(await code(pie.embed(TEXTS[0], { dimensions: '64' })), 'invalid_argument');
  },

  async 'prompts change the vector, and one without a slot is refused'({ pie, code }) {
    const [none, pieVector, own] = [
      await pie.embed(TEXTS[0], { prompt: 'none' }),
      await pie.embed(TEXTS[0], { prompt: 'pie' }),
      await pie.embed(TEXTS[0], { prompt: 'What is to be done here: {instruction}' }),
    ];
    ok(none.some((value, index) => Math.abs(value - pieVector[index]) > 1e-3), 'pie is the same as none');
    ok(none.some((value, index) => Math.abs(value - own[index]) > 1e-3), 'the own prompt is the same as none');
    for (const prompt of ['no slot', '', '{instruction} and {instruction}']) {
      equal(await code(pie.embed(TEXTS[0], { prompt })), 'invalid_prompt', JSON.stringify(prompt));
    }
    equal(await code(pie.embed(TEXTS[0], { prompt: 7 })), 'invalid_argument');
  },

  async 'classify gives labels, best first'({ pie }) {
    const kinds = await pie.classify(TEXTS[0]);
    equal(kinds.length, 3);
    for (const { label, name, score } of kinds) {
      ok(typeof label === 'string' && label !== '', 'no label');
      ok(typeof name === 'string' && name !== '', 'no name');
      ok(score >= 0 && score <= 1, `score ${score}`);
    }
    for (let rank = kinds[0].label === 'unknown' ? 2 : 1; rank < kinds.length; rank++) {
      ok(kinds[rank - 1].score >= kinds[rank].score, 'not in order');
    }
    ok(/poem/.test(kinds[0].label), `a haiku is tagged ${kinds[0].label}`);
  },

  async 'a list of texts is classified as each of them'({ pie }) {
    const lists = await pie.classify(TEXTS, { topK: 2 });
    equal(lists.length, TEXTS.length);
    for (const [index, text] of TEXTS.entries()) {
      equal(JSON.stringify(lists[index]), JSON.stringify(await pie.classify(text, { topK: 2 })), text);
    }
  },

  async 'topK: at least 1, and beyond all labels gives all'({ pie, code }) {
    equal((await pie.classify(TEXTS[0], { topK: 1 })).length, 1);
    const all = await pie.classify(TEXTS[0], { topK: 1e9 });
    equal((await pie.classify(TEXTS[0], { topK: Number.MAX_SAFE_INTEGER })).length, all.length);
    ok(all.length >= pie.info().taxonomy.kinds, `${all.length} of ${pie.info().taxonomy.kinds} labels`);
    equal(new Set(all.map(({ label }) => label)).size, all.length, 'different labels');
    for (const topK of [0, -1, 1.5, NaN, Infinity, '3', null]) {
      equal(await code(pie.classify(TEXTS[0], { topK })), 'invalid_argument', `topK ${topK}`);
    }
  },

  async 'a pool answers as one does'({ PieEmbedder, pie }) {
    const own = await PieEmbedder.load({ pool: 2 });
    const texts = Array.from({ length: 30 }, (_, index) => `${TEXTS[index % TEXTS.length]} ${index}`);
    const [many, one] = [await own.embed(texts), await pie.embed(texts)];
    sameVector(many.data, one.data);
    const tagger = await own.tagger({ poem: ['Write a poem about rain'], sort: ['Sort these numbers: 3, 1, 2'] });
    const labels = await tagger.classify(Array(30).fill('Compose verses on autumn'), { topK: 1 });
    ok(labels.every(([{ label }]) => label === 'poem'), 'not all poems');
    own.dispose();
  },

  async 'what is unlike any task comes out as unknown, with candidates'({ pie }) {
    const [first, ...rest] = await pie.classify('hello there', { level: 'task', topK: 3 });
    equal(first.label, 'unknown');
    equal(rest.length, 2);
  },

  async 'levels: the kind as a default, the fine task, and the family where there are families'({ pie, code }) {
    equal(JSON.stringify(await pie.classify(TEXTS[0], { level: 'kind' })), JSON.stringify(await pie.classify(TEXTS[0])));
    const [task] = await pie.classify(TEXTS[0], { level: 'task', topK: 1 });
    ok(/haiku|poem/.test(task.label) && task.family === undefined, JSON.stringify(task));
    const { families } = pie.info().taxonomy;
    if (families === 0) {
      equal(await code(pie.classify(TEXTS[0], { level: 'family' })), 'level_unavailable');
    } else {
      const labels = (await pie.classify(TEXTS[0], { level: 'family', topK: families })).map(({ label }) => label);
      ok(labels.includes((await pie.classify(TEXTS[0], { topK: 1 }))[0].family), labels.join());
    }
    ok(pie.info().taxonomy.kinds >= 80, 'the shipped taxonomy has kinds');
    const [kind] = await pie.classify(TEXTS[0], { level: 'kind', topK: 1 });
    equal(kind.label, 'write-poem');
    equal(kind.name, 'write a poem');
    equal(await code(pie.classify(TEXTS[0], { level: 'verb' })), 'invalid_argument');
  },

  async 'similarity is a cosine'({ pie }) {
    near(await pie.similarity(TEXTS[0], TEXTS[0]), 1, 1e-5);
    equal(await pie.similarity(TEXTS[0], TEXTS[1]), await pie.similarity(TEXTS[1], TEXTS[0]));
    const [a, b] = [await pie.embed(TEXTS[0]), await pie.embed(TEXTS[1])];
    near(await pie.similarity(TEXTS[0], TEXTS[1]), a.reduce((sum, value, index) => sum + value * b[index], 0), 1e-5);
  },

  async 'any string is content'({ pie }) {
    const odd = ['\ud800', 'a\udc00b', 'nul \0 inside', '\0', '👩‍👩‍👧‍👦 🏳️‍🌈', '\u202e\u0000\uffff', '�'];
    const { data, dims } = await pie.embed(odd);
    equal(dims[0], odd.length);
    ok(data.every(Number.isFinite), 'not finite');
    sameVector(await pie.embed('Write \ud83d a poem'), await pie.embed('Write \ufffd a poem'), 'a lone surrogate');
    equal((await pie.classify('Write a poem 📝\0\ud800')).length, 3);
  },

  async 'a text of 1 MB is truncated and says so'({ pie }) {
    const long = 'Write a poem about rain. '.repeat(42_000);
    const { data, truncated } = await pie.embed([long, TEXTS[0]]);
    equal(truncated.join(), 'true,false');
    unit(data.subarray(0, pie.info().viewSize));
    equal((await pie.classify(long)).length, 3);
    unit(await pie.embed('x'.repeat(1_000_000)));
  },

  async 'maxTokens truncates, and is held to what the model takes'({ pie, code }) {
    const { truncated } = await pie.embed(TEXTS, { maxTokens: 8 });
    ok(truncated.includes(true) && truncated.includes(false), `truncated: ${truncated}`);
    for (const maxTokens of [0, -3, 2.5, 'many']) {
      equal(await code(pie.embed(TEXTS[0], { maxTokens })), 'invalid_argument', `maxTokens ${maxTokens}`);
    }
  },

  async 'blank texts are refused by their index'({ pie, code, PieError }) {
    for (const blank of ['', ' ', '\n\t\r ', '\u3000\u00a0\u2003\u0085']) {
      equal(await code(pie.embed(blank)), 'blank_text', JSON.stringify(blank));
      equal(await code(pie.classify(blank)), 'blank_text', JSON.stringify(blank));
      equal(await code(pie.similarity(blank, 'a')), 'blank_text', JSON.stringify(blank));
    }
    const texts = Array.from({ length: 12 }, (_, index) => (index === 10 ? ' ' : 'text'));
    const error = await pie.embed(texts).catch((error) => error);
    ok(error instanceof PieError && error instanceof Error && error.name === 'PieError', 'not a PieError');
    ok(error.message.includes('10'), error.message);
  },

  async 'what is too large is said, and is no other error'({ pie, code }) {
    equal(await code(pie.embed('\u3000'.repeat(10_000_000))), 'blank_text');
    unit(await pie.embed(`${'\u3000'.repeat(10_000_000)}a`));
    const long = 'a'.repeat(2 ** 26 + 1);
    for (const call of [pie.embed(long), pie.classify([long]), pie.similarity('a', long), pie.tagger({ a: [long] })]) equal(await code(call), 'too_large');
  },

  async 'a model is refused by its header, before the rest of it is looked at'({ PieEmbedder, code }) {
    for (const [what, start, expected] of [
      ['another program', foreignModel({ architecture: 'llama' }), 'model_unsupported'],
      ['another type', foreignModel({ type: 12 }), 'model_unsupported'],
      ['another version', foreignModel({ version: 4 }), 'model_unsupported'],
      ['safetensors', new TextEncoder().encode('\x40\0\0\0\0\0\0\0{"weight":{"dtype":"F32"}}'), 'model_format'],
    ]) {
      const model = new Uint8Array(300e6);
      model.set(start);
      const begin = performance.now();
      equal(await code(PieEmbedder.load({ model, taxonomy: null })), expected, what);
      ok(performance.now() - begin < 20_000, `${what} took ${performance.now() - begin} ms`);
    }
  },

  async 'wrong arguments are refused'({ pie, code }) {
    for (const call of [pie.embed, pie.classify]) {
      const run = call.bind(pie);
      equal(await code(run([])), 'no_texts');
      for (const texts of [undefined, null, 7, {}, [1], ['a', null], [, 'a'], new String('a')]) {
        equal(await code(run(texts)), 'invalid_argument', String(texts));
      }
      for (const options of [null, 'fast', 3, []]) {
        equal(await code(run('a', options)), 'invalid_argument', `options ${options}`);
      }
      equal(await code(run('a', { signal: {} })), 'invalid_argument', 'signal');
    }
    equal(await code(pie.similarity('a')), 'invalid_argument');
    equal(await code(pie.similarity(1, 'a')), 'invalid_argument');
  },

  async 'own labels from a few examples'({ pie, code }) {
    const tagger = await pie.tagger({
      'billing question': ['Where is my invoice?', 'I was charged twice this month', 'Can I get a refund?'],
      'bug report': ['The app crashes when I open it', 'The button does nothing', 'I see an error page after login'],
    });
    equal(tagger.labels.join(), 'billing question,bug report');
    const [best, other] = await tagger.classify('Please send me the invoice for May');
    equal(best.label, 'billing question');
    equal(best.name, 'billing question');
    ok(best.score >= other.score, 'not in order');
    const lists = await tagger.classify(['The page crashes at once', 'Refund my last payment'], { topK: 1 });
    equal(lists.map(([{ label }]) => label).join(), 'bug report,billing question');
    equal(await code(tagger.classify([])), 'no_texts');
    equal(await code(tagger.classify('a', { topK: 0 })), 'invalid_argument');
    tagger.dispose();
    tagger.dispose();
    equal(await code(tagger.classify('a')), 'disposed');
    for (const [examples, expected] of [
      [{}, 'no_texts'], [{ a: [], b: ['x'] }, 'no_texts'], [{ a: [' '], b: ['x'] }, 'blank_text'], [{ a: ' ' }, 'blank_text'],
      [{ a: 1 }, 'invalid_argument'], [{ a: [1] }, 'invalid_argument'], [null, 'invalid_argument'],
      [[['x']], 'invalid_argument'], [{ a: ['x'], b: ['x'] }, 'invalid_argument'], [{ '--': {} }, 'invalid_argument'],
      [{ a: { example: ['x'] } }, 'invalid_argument'], [{ a: { examples: ['x'], not: ['x'] } }, 'invalid_argument'],
      [{ a: ['x'.repeat(1e6)] }, 'invalid_argument'], [{ a: ['ᚠᚢᚦ ᚨᚱᚲ'] }, 'invalid_argument'],
      [Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`label ${n}`, {}])), 'invalid_argument'],
    ]) {
      equal(await code(pie.tagger(examples)), expected, JSON.stringify(examples));
    }
  },

  async 'labels are learned from names, descriptions and examples, explained, measured and kept'({ pie, code }) {
    const labels = {
      refund: { description: 'the customer wants money back', examples: ['I want a refund'], not: ['When do you open?'] },
      tracking: ['Where is my parcel?', 'When does my parcel arrive?'], greeting: 'the user says hello', cancel: {},
    };
    const tagger = await pie.tagger(labels, { thresholds: true, unknownShare: 0.1 });
    const best = async (text, own = tagger) => (await own.classify(text, { topK: 1 }))[0].label;
    for (const [text, label] of [['Give me my money back', 'refund'], ['hello there', 'greeting'], ['cancel', 'cancel']]) equal(await best(text), label);
    equal(tagger.judged.examples, 3);
    const { tags, evidence } = await tagger.explain('I want a refund');
    equal(JSON.stringify(tags), JSON.stringify(await tagger.classify('I want a refund', { topK: 3 })));
    equal([evidence[0].label, evidence[0].nearest[0].text].join(), 'refund,I want a refund');
    ok(evidence[0].nearest[0].cosine > 0.999, `${evidence[0].nearest[0].cosine}`);

    const rows = [{ text: 'I want a refund', label: 'refund' }, { text: 'Where is my parcel?', label: 'tracking' }, { text: 'ᚠᚢᚦ ᚨᚱᚲ', label: 'unknown' }];
    const { accuracy, calledUnknown, labels: figures, confusions } = await tagger.evaluate(rows);
    equal([accuracy, calledUnknown, figures.length, confusions.length].join(), '1,0,5,0');
    equal(await code(tagger.evaluate([{ text: 'a', label: 'stranger' }])), 'invalid_argument');
    equal(await code(tagger.evaluate([])), 'no_texts');

    const bytes = tagger.save();
    await Promise.all([tagger.add('cancel', 'Stop my membership'), tagger.add('praise', ['Well done', 'You are great'])]);
    equal(tagger.labels.join(), 'refund,tracking,greeting,cancel,praise');
    equal(await best('You are great'), 'praise');
    equal(await code(tagger.remove('cancel', 'Start my membership')), 'invalid_argument');
    const loaded = await pie.loadTagger(bytes);
    equal(JSON.stringify(await loaded.classify(TEXTS)), JSON.stringify(await (await pie.tagger(labels, { thresholds: true, unknownShare: 0.1 })).classify(TEXTS)));
    await loaded.add('cancel', 'Stop my membership');
    await loaded.remove('cancel', ['Stop my membership']);
    equal(loaded.save().join(), bytes.join());
    const altered = bytes.slice();
    altered[bytes.length >> 1] ^= 1;
    for (const file of [bytes.slice(0, 500), altered, new Uint8Array(9)]) equal(await code(pie.loadTagger(file)), 'tagger_format');
    equal(await code(pie.loadTagger('a.tagger')), 'invalid_argument');
    const options = [{ multi: 1 }, { thresholds: 'yes' }, { unknownShare: 1 }, { unknownShare: NaN }];
    for (const how of options) equal(await code(pie.tagger(labels, how)), 'invalid_argument', JSON.stringify(how));
    const several = await pie.tagger(labels, { multi: true });
    const scores = Object.fromEntries((await several.classify('I want a refund', { topK: 9 })).map(({ label, score }) => [label, score]));
    ok(scores.refund > 0.5, JSON.stringify(scores));
    for (const own of [tagger, loaded, several]) own.dispose();
    equal(await code(tagger.add('cancel', 'x')), 'disposed');
  },

  async 'a chat is read by what its user asks last'({ pie, code }) {
    const user = (content) => ({ role: 'user', content });
    const [poem, long] = ['Write four lines about rain on a tin roof.', 'Compare trains and buses for people who commute an hour a day.'];
    const chat = [{ role: 'system', content: 'Be kind.' }, user(poem), { role: 'assistant', content: null }, user([{ type: 'text', text: 'one for spring too' }])];
    const [own] = await pie.classify(chat, { topK: 1 });
    equal(own.label, 'write-poem');
    equal(JSON.stringify(await pie.classify([chat, long, [user(poem), user(long)]])), JSON.stringify(await pie.classify([`one for spring too\n${poem}`, long, long])));
    sameVector(await pie.embed(chat), await pie.embed(`one for spring too\n${poem}`));
    equal((await pie.embed([chat, long])).dims[0], 2);
    const tagger = await pie.tagger({ poem: ['Write a poem about rain'], sort: ['Sort these numbers: 3, 1, 2'] });
    equal((await tagger.classify(chat, { topK: 1 }))[0].label, 'poem');
    equal((await tagger.explain(chat)).evidence[0].label, 'poem');
    tagger.dispose();
    for (const [chat, expected] of [
      [[], 'no_texts'], [[[]], 'invalid_argument'], [[{ role: 'assistant', content: 'hi' }], 'invalid_argument'], [[{ role: 'bot', content: 'hi' }], 'invalid_argument'],
      [[{ role: 'user', content: 7 }], 'invalid_argument'], [[{ content: 'hi' }], 'invalid_argument'], [[user('hi'), 'hi'], 'invalid_argument'],
      [[user(' ')], 'invalid_argument'], [[user([{ type: 'image_url' }])], 'blank_text'], [[user([7])], 'invalid_argument'],
    ]) {
      equal(await code(pie.classify(chat)), expected, JSON.stringify(chat));
      equal(await code(pie.embed(chat)), expected, JSON.stringify(chat));
    }
  },

  async 'tools are picked by what they are for, or none'({ pie, code }) {
    const parameters = { type: 'object', properties: { city: { type: 'string', description: 'name of the city' } } };
    parameters.properties.self = parameters;
    const openai = [
      { type: 'function', function: { name: 'get_weather', description: 'Current weather of a city', parameters } },
      { type: 'function', name: 'send_email', description: 'Send an email', parameters: {} },
      { name: 'searchFiles', description: 'Find files by their content', examples: ['Which file has the budget?'] },
    ];
    const mcp = { tools: [{ name: 'get_weather', description: 'Current weather of a city', inputSchema: parameters }, ...openai.slice(1)] };
    for (const list of [openai, mcp]) {
      const tools = pie.tools(list);
      equal(tools.names.join(), 'get_weather,send_email,searchFiles');
      const [{ none, tools: [first, second, ...more] }, mail] = await tools.pick(['Is it going to rain in Rome?', 'mail Bob that I am late'], { k: 2 });
      equal([none, first.name, more.length, mail.tools[0].name].join(), 'false,get_weather,0,send_email');
      ok(first.score >= second.score, 'not in order');
      equal((await tools.pick('Prove that there are infinitely many primes')).none, true);
      equal(JSON.stringify(await tools.pick('ᚠᚢᚦ ᚨᚱᚲ')), '{"none":true,"tools":[]}');
      equal(await code(tools.pick('a', { k: 0 })), 'invalid_argument');
      tools.dispose();
      equal(await code(tools.pick('a')), 'disposed');
    }
    const many = Array.from({ length: 5_000 }, (_, n) => ({ name: `tool ${n}` }));
    for (const [list, expected] of [
      [[], 'no_texts'], [null, 'invalid_argument'], [{}, 'invalid_argument'], [[{ description: 'x' }], 'invalid_argument'], [[{ name: ' ' }], 'invalid_argument'],
      [[{ name: 'a' }, { name: 'a' }], 'invalid_argument'], [[{ name: 'a', description: 7 }], 'invalid_argument'], [many, 'invalid_argument'],
    ]) {
      equal(await code((async () => pie.tools(list))()), expected);
    }
    equal(await code(pie.tools([{ name: 'unknown' }]).pick('a')), 'invalid_argument');
  },

  async 'a tagger of many labels is made in pieces: prompts go between, and an abort is heard'({ pie, code }) {
    const examples = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`label ${n}`, [`${TEXTS[n % TEXTS.length]} ${n}`, `Do the work of ${n}`]]));
    let made = false;
    const steps = [];
    const making = pie.tagger(examples, { onProgress: ({ done, total }) => steps.push(`${done}/${total}`) }).then((tagger) => ((made = true), tagger));
    await pie.embed('Translate');
    ok(!made, 'the prompt waited');
    const tagger = await making;
    equal(steps.at(-1), '450/450', 'the examples and the names');
    ok(steps.length > 10, `${steps.length} steps`);
    equal((await tagger.classify('Do the work of 77', { topK: 1 }))[0].label, 'label 77');
    tagger.dispose();
    const controller = new AbortController();
    const aborted = code(pie.tagger(examples, controller));
    await pie.embed('Translate');
    controller.abort();
    equal(await aborted, 'aborted');
    for (const label of ['', ' ', 'unknown']) equal(await code(pie.tagger({ a: ['x'], [label]: ['y'] })), 'invalid_argument', JSON.stringify(label));
    const odd = await pie.tagger(JSON.parse('{"__proto__":["Write a poem"],"constructor":["Sort these numbers"]}'));
    equal((await odd.classify('Write a poem', { topK: 1 }))[0].label, '__proto__');
    odd.dispose();
  },

  async 'requests in one text have kinds and scores of their own'({ pie }) {
    const [text, one] = ['Write a poem about rain, and then translate it into French.', 'Write a poem about rain'];
    const [first, second] = await pie.classify(text);
    equal([first.label, second.label].join(), 'write-poem,translate');
    ok(first.score > 0.5 && second.score > 0.5, `${first.score}, ${second.score}`);
    const framed = `Below is an instruction. Write a response.\n\n### Instruction:\n${one}\n\n### Response:`;
    for (const level of ['kind', 'task']) {
      equal(JSON.stringify(await pie.classify([framed, text, one], { level })), JSON.stringify(
        (await Promise.all([one, text, one].map((text) => pie.classify(text, { level }))))), level);
    }
  },

  async 'vectors are classified as their texts are'({ pie, code }) {
    const texts = TEXTS.filter((text) => !/[.?!;] /.test(text));
    ok(texts.length >= 3, 'texts of one request');
    const vectors = await pie.embed(texts);
    const tagger = await pie.tagger({ poem: ['Write a poem about rain'], sort: ['Sort these numbers: 3, 1, 2'] });
    for (const classify of [
      (input) => pie.classify(input, { topK: 2 }),
      (input) => pie.classify(input, { topK: 2, level: 'kind' }),
    ]) {
      equal(JSON.stringify(await classify(vectors)), JSON.stringify(await classify(texts)));
      equal(JSON.stringify(await classify(await pie.embed(TEXTS[0]))), JSON.stringify(await classify(TEXTS[0])));
    }
    const { view } = tagger;
    equal(JSON.stringify(await tagger.classify(await pie.embed(texts, { view }))), JSON.stringify(await tagger.classify(texts)));
    equal(JSON.stringify(await tagger.classify(await pie.embed(TEXTS[0], { view }))), JSON.stringify(await tagger.classify(TEXTS[0])));
    const width = pie.info().viewSize;
    const many = { data: new Float32Array(600 * width).fill(0.1), dims: [600, width] };
    equal((await pie.classify(many)).length, 600);
    // A view into a larger buffer, as `subarray` gives it.
    equal(JSON.stringify(await pie.classify(vectors.data.subarray(width, 2 * width))), JSON.stringify(await pie.classify(texts[1])));
    tagger.dispose();
  },

  async 'texts that the vocabulary lacks are told apart from what is read'({ pie, code }) {
    const texts = ['ᚠᚢᚦ ᚨᚱᚲ', TEXTS[0], 'ᛉᛊᛏ ᛒᛖᛗ', 'ᚠᚢᚦ ᚨᚱᚲ', 'ᚠᚢᚦ, please'];
    const vectors = await pie.embed(texts);
    ok(vectors.unread instanceof Float32Array, 'a Float32Array');
    const [first, read, second, , part] = vectors.unread;
    equal([first, read, second].join(), '1,0,1');
    ok(part > 0 && part <= 0.5, `${part} of the last text`);
    const unknown = JSON.stringify([{ label: 'unknown', name: 'no known task', score: 1, reason: 'unread' }]);
    const tagger = await pie.tagger({ poem: ['Write a poem about rain'], sort: ['Sort these numbers: 3, 1, 2'] });
    for (const classify of [
      (input) => pie.classify(input), (input) => pie.classify(input, { level: 'task' }),
      async (input) => tagger.classify(Array.isArray(input) ? input : await pie.embed(texts, { view: tagger.view })),
    ]) {
      const lists = await classify(vectors);
      equal(JSON.stringify(await classify(texts)), JSON.stringify(lists));
      for (const row of [0, 2, 3]) equal(JSON.stringify(lists[row]), unknown);
      for (const row of [1, 4]) ok(lists[row].every(({ reason }) => reason === undefined), JSON.stringify(lists[row]));
    }
    // To the letter equal ones are duplicates; of vectors nobody knows.
    equal(JSON.stringify(await pie.duplicates(texts, { threshold: 0.99 })), '[null,null,null,0,null]');
    equal(JSON.stringify(await pie.duplicates(vectors, { threshold: 0.99 })), '[null,null,null,null,null]');
    equal((await pie.cluster(vectors, { threshold: 0.99 })).clusters.length, 5);
    for (const method of ['kmeans', 'k-center', 'facility-location']) {
      const rows = await pie.select(vectors, { count: 3, method });
      equal(rows.slice(0, 2).sort().join(), '1,4', method);
      equal(rows[2], 0, method);
    }
    for (const unread of [[0, 0, 0, 0, 0], new Float32Array(4), new Float32Array(5).fill(2), new Float32Array(5).fill(NaN)]) {
      equal(await code(pie.classify({ ...vectors, unread })), 'invalid_argument', String(unread));
    }
    tagger.dispose();
  },

  async 'vectors that are none are refused'({ pie, code }) {
    const width = pie.info().viewSize;
    const index = pie.index();
    for (const [vectors, expected] of [
      [{ data: new Float32Array(width), dims: [2, width] }, 'invalid_dimensions'],
      [{ data: new Float32Array(width), dims: [width] }, 'invalid_argument'],
      [{ data: new Float32Array(width), dims: [1.5, width] }, 'invalid_argument'],
      [{ data: new Float64Array(width), dims: [1, width] }, 'invalid_argument'],
      [{ data: Array(width).fill(0), dims: [1, width] }, 'invalid_argument'],
      [{ data: new Float32Array(), dims: [0, width] }, 'no_texts'],
      [{ data: new Float32Array(width).fill(NaN, 7), dims: [1, width] }, 'invalid_argument'],
    ]) {
      for (const call of [
        pie.classify(vectors), index.search(vectors), index.add(Array(vectors.dims[0] | 0).fill(0), vectors), pie.duplicates(vectors, { threshold: 1 }),
      ]) {
        equal(await code(call), expected, JSON.stringify(vectors.dims));
      }
    }
    for (const call of [pie.classify(new Float32Array(width - 1)), index.search(new Float32Array(1)), index.add('a', new Float32Array(2))]) {
      equal(await code(call), 'invalid_dimensions');
    }
    index.dispose();
  },

  async 'a call works on what it was given, whatever becomes of that'({ pie }) {
    const [poem, sort] = [await pie.embed('Write a poem about rain'), await pie.embed('Sort these numbers: 3, 1, 2')];
    const index = pie.index();
    const own = new Float32Array(poem);
    const adds = [index.add('poem', own)];
    own.set(sort);
    adds.push(index.add('sort', own));
    own.fill(NaN);
    const [ids, texts] = [['say'], ['Translate this sentence']];
    adds.push(index.add(ids, texts));
    ids[0] = 'other';
    texts[0] = '';
    await Promise.all(adds);
    own.set(poem);
    const options = {};
    const search = index.search(own, 1, options);
    own.set(sort);
    options.signal = AbortSignal.abort();
    for (const [id, found] of [['poem', await search], ['sort', await index.search(sort, 1)], ['say', await index.search('Say it in German', 1)]]) {
      equal(found[0].id, id);
      ok(id === 'say' || found[0].score > 0.9999, `${id} has a cosine of ${found[0].score} to itself`);
    }
    const width = poem.length;
    const tagger = await pie.tagger({ poem: ['Write a poem'], sort: ['Sort these numbers'] });
    for (const call of [
      (vectors) => pie.duplicates(vectors, { threshold: 0.99 }), (vectors) => pie.cluster(vectors, { k: 2 }), (vectors) => pie.select(vectors, { count: 2 }),
      (vectors) => pie.classify(vectors, { topK: 1 }), (vectors) => index.search(vectors, 2),
    ]) {
      const given = { data: new Float32Array(300 * width), dims: [300, width] };
      for (let row = 0; row < 300; row++) given.data.set(row % 3 === 0 ? sort : poem, row * width);
      const expected = JSON.stringify(await call(given));
      const called = call(given);
      given.data.fill(NaN);
      given.dims[0] = 7;
      equal(JSON.stringify(await called), expected);
    }
    ok(Object.isFrozen(tagger.labels), 'the labels of a tagger can be changed');
    tagger.dispose();
    index.dispose();
  },

  async 'a buffer that was transferred is refused, and nothing is half done'({ pie, PieEmbedder, code, model }) {
    const width = pie.info().viewSize;
    const gone = (view) => (structuredClone(null, { transfer: [view.buffer] }), view);
    const index = pie.index();
    const tagger = await pie.tagger({ poem: ['Write a poem'], sort: ['Sort these numbers'] });
    await index.add('a', 'Write a poem');
    for (const call of [pie.classify.bind(pie), tagger.classify.bind(tagger), (vectors) => index.search(vectors), (vectors) => index.add('a', vectors)]) {
      equal(await code(call(gone(new Float32Array(width)))), 'invalid_argument');
    }
    for (const call of [
      (vectors) => pie.classify(vectors), (vectors) => index.add(['a', 'b'], vectors), (vectors) => pie.cluster(vectors, { k: 2 }),
      (vectors) => pie.select(vectors, { count: 2 }), (vectors) => pie.duplicates(vectors, { threshold: 1 }), (vectors) => pie.map(vectors),
    ]) {
      equal(await code(call({ data: gone(new Float32Array(2 * width)), dims: [2, width] })), 'invalid_argument');
    }
    equal(index.size, 1);
    const later = await pie.embed('Sort these numbers');
    const adding = index.add('b', later);
    gone(later);
    await adding;
    equal((await index.search('Sort these numbers', 1))[0].id, 'b');
    for (const options of [
      { model: gone(new Uint8Array(model)) }, { model: gone(new Uint8Array(model)).buffer }, { taxonomy: gone(new Uint8Array(9)) }, { wasm: gone(new Uint8Array(9)).buffer },
    ]) {
      equal(await code(PieEmbedder.load(options)), 'invalid_argument', Object.keys(options)[0]);
    }
    tagger.dispose();
    index.dispose();
  },

  async 'an index finds by the task'({ pie }) {
    const index = pie.index();
    equal((await index.search('Write a poem')).length, 0, 'of an empty index');
    // Not waited for: what is asked for later comes later.
    void index.add('sort', 'Sort these numbers: 3, 1, 2');
    void index.add(['poem', 7], ['Write a poem about rain', 'Translate this sentence into French']);
    const found = await index.search('Compose verses on autumn', 2);
    equal(found.map(({ id }) => id)[0], 'poem');
    equal(found.length, 2);
    near(found[0].score, await pie.similarity('Compose verses on autumn', 'Write a poem about rain'), 1e-5);
    equal(index.size, 3);
    const lists = await index.search(['Say it in German', 'Put these in order: b, a'], 1);
    equal(JSON.stringify(lists.map(([{ id }]) => id)), '[7,"sort"]');
    equal((await index.search('Compose verses on autumn')).length, 3, 'fewer than k');
    index.dispose();
  },

  async 'an index takes vectors, and gives the same as comparing each'({ pie }) {
    const texts = Array.from({ length: 40 }, (_, n) => `${TEXTS[n % TEXTS.length]} ${n}`);
    const vectors = await pie.embed(texts);
    const [given, own] = [pie.index(), pie.index()];
    await given.add(texts.map((_, n) => n), vectors);
    await own.add(texts, texts);
    const width = vectors.dims[1];
    const row = (n) => vectors.data.subarray(n * width, (n + 1) * width);
    for (const n of [0, 17, 39]) {
      const cosines = texts.map((_, other) => row(n).reduce((sum, value, at) => sum + value * row(other)[at], 0));
      const best = [...cosines.keys()].sort((a, b) => cosines[b] - cosines[a]).slice(0, 6);
      const found = await given.search(row(n), 6);
      for (const [rank, { id, score }] of found.entries()) {
        near(score, cosines[best[rank]], 1e-5, 'score');
        near(score, cosines[id], 1e-5, `score of ${id}`);
      }
      equal(JSON.stringify((await own.search(texts[n], 6)).map(({ score }) => score)), JSON.stringify(found.map(({ score }) => score)));
    }
    given.dispose();
    own.dispose();
  },

  async 'an index replaces, removes and stays in order'({ pie, code }) {
    const index = pie.index();
    const best = async (query) => (await index.search(query, 1))[0]?.id;
    await index.add(['a', 'b', 'c'], ['Write a poem about rain', 'Sort these numbers: 3, 1, 2', 'Translate this sentence']);
    equal(await best('Compose verses on autumn'), 'a');
    const before = best('Compose verses on autumn');
    const removed = index.remove('a');
    const after = best('Compose verses on autumn');
    const again = index.remove('a');
    equal(await before, 'a', 'asked before');
    equal(await removed, true);
    ok((await after) !== 'a', 'found though removed');
    equal(await again, false);
    equal(index.size, 2);
    equal(await best('Put these in order: b, a'), 'b', 'the others stay');
    equal(await best('Say it in German'), 'c', 'the others stay');
    await index.add('b', 'Write a poem about rain');
    equal(await best('Compose verses on autumn'), 'b', 'in its place');
    equal(index.size, 2);
    await Promise.all([index.remove('b'), index.remove('c')]);
    equal(index.size, 0);
    equal((await index.search('a')).length, 0);
    await index.add('d', 'Translate this sentence');
    equal(await best('Say it in German'), 'd');
    const last = code(best('Say it in German'));
    index.dispose();
    ok(['none', 'disposed'].includes(await last), await last);
    index.dispose();
    equal(await code(index.search('a')), 'disposed');
    equal(await code(index.add('a', 'a')), 'disposed');
    equal(await code(index.remove('a')), 'disposed');
  },

  async 'what an index refuses changes nothing'({ pie, code }) {
    const index = pie.index();
    await index.add('a', 'Write a poem');
    for (const [id, text, expected] of [
      ['b', '', 'blank_text'], ['b', 7, 'invalid_argument'], [null, 'text', 'invalid_argument'], [NaN, 'text', 'invalid_argument'],
      [['b'], 'text', 'invalid_argument'], ['b', ['text'], 'invalid_argument'], [['b'], ['x', 'y'], 'invalid_argument'],
      [['b', {}], ['x', 'y'], 'invalid_argument'], [['b', 'c'], ['x', ' '], 'blank_text'], [[], [], 'no_texts'],
    ]) {
      equal(await code(index.add(id, text)), expected, JSON.stringify([id, text]));
    }
    equal(await code(index.add('b', 'text', { signal: AbortSignal.abort() })), 'aborted');
    equal(await code(index.search('text', 5, { signal: AbortSignal.abort() })), 'aborted');
    for (const k of [0, -1, 1.5, '3', null]) equal(await code(index.search('text', k)), 'invalid_argument', `k ${k}`);
    equal(await code(index.remove({})), 'invalid_argument');
    equal(await code(index.search('')), 'blank_text');
    equal(index.size, 1);
    equal((await index.search('text')).length, 1);
    index.dispose();
  },

  async 'an abort leaves an index as it was, with vectors as with texts'({ pie, code }) {
    const index = pie.index();
    const vector = await pie.embed('Write a poem');
    equal(await code(index.add('a', vector, { signal: AbortSignal.abort() })), 'aborted');
    for (const given of [vector, 'Write a poem']) {
      const controller = new AbortController();
      const first = index.add('first', 'Sort these numbers');
      const second = code(index.add('second', given, controller));
      controller.abort();
      await first;
      equal(await second, 'aborted');
    }
    equal(index.size, 1);
    index.dispose();
  },

  async 'an index of 40,000 vectors is searched and changed'({ pie }) {
    const width = pie.info().viewSize;
    const rows = 40_000;
    const vectors = { data: new Float32Array(rows * width), dims: [rows, width] };
    for (let row = 0; row < rows; row++) for (let bit = 0; bit < 16; bit++) vectors.data[row * width + bit] = (row >> bit) & 1 ? 1 : -1;
    const row = (n) => vectors.data.subarray(n * width, (n + 1) * width);
    const index = pie.index();
    await index.add(Array.from({ length: rows }, (_, n) => n), vectors);
    for (const n of [0, 16_383, 16_384, 33_000, rows - 1]) equal((await index.search(row(n), 1))[0].id, n);
    await index.remove(5);
    await index.add(rows - 2, row(7));
    equal((await index.search(row(rows - 1), 1))[0].id, rows - 1, 'in the place of the one that went');
    equal((await index.search(row(7), 2)).map(({ id }) => id).sort().join(), `${rows - 2},7`);
    ok((await index.search(row(5), 1))[0].score < 0.99, 'found though removed');
    equal(index.size, rows - 1);
    index.dispose();
  },

  async 'a pool searches one index'({ PieEmbedder }) {
    const own = await PieEmbedder.load({ pool: 2 });
    const index = own.index();
    for (let round = 0; round < 4; round++) {
      await index.add([`poem ${round}`, `sort ${round}`], [`Write a poem about rain, number ${round}`, `Sort the numbers ${round}, 1, 2`]);
      await index.remove(`poem ${round - 1}`);
      const lists = await index.search(Array(30).fill('Compose verses on autumn'), 1);
      ok(lists.every(([{ id }]) => id === `poem ${round}`), `round ${round}`);
    }
    own.dispose();
  },

  async 'clusters, by number and by likeness'({ pie, code }) {
    const texts = [0, 1, 2].flatMap((n) => [`Write a poem about rain ${n}`, `Sort these numbers: 3, 1, ${n}`]).concat('Write a poem about snow');
    const { labels, clusters } = await pie.cluster(texts, { k: 2 });
    equal(labels.join(''), '0101010');
    equal(clusters.map(({ size }) => size).join(), '4,3');
    for (const [label, { representative }] of clusters.entries()) equal(labels[representative], label);
    const vectors = await pie.embed(texts);
    equal(JSON.stringify(await pie.cluster(vectors, { k: 2 })), JSON.stringify({ labels, clusters }));
    ok(vectors.data.length > 0, 'the vectors were taken away');
    const within = await pie.cluster(vectors, { threshold: 0.5 });
    equal(within.labels.join(''), '0101010');
    equal((await pie.cluster(vectors, { threshold: 1 })).clusters.length, 7);
    for (const options of [
      undefined, {}, { k: 2, threshold: 0.5 }, { k: 0 }, { k: 8 }, { k: '2' }, { k: 1.5 }, { threshold: 1.1 }, { threshold: '1' }, { threshold: NaN },
      { k: 2, seed: -1 }, { k: 2, seed: 0.5 }, { k: 2, signal: 7 }, { k: 2, onProgress: 7 },
      { k: 2, onStep: 7 },
    ]) {
      equal(await code(pie.cluster(texts, options)), 'invalid_argument', JSON.stringify(options));
    }
    equal(await code(pie.cluster([], { k: 1 })), 'no_texts');
    equal(await code(pie.cluster('text', { k: 1 })), 'invalid_argument');
    equal(await code(pie.cluster(['a', ' '], { k: 1 })), 'blank_text');
  },

  async 'a selection stands for all'({ pie, code }) {
    const texts = [0, 1, 2, 3].flatMap((n) => [`Write a poem about rain ${n}`, `Sort these numbers: 3, 1, ${n}`, `Translate sentence ${n}`]);
    const vectors = await pie.embed(texts);
    for (const method of [undefined, 'kmeans', 'k-center', 'facility-location']) {
      const how = method === undefined ? { count: 3 } : { count: 3, method };
      const chosen = await pie.select(vectors, how);
      equal(chosen.map((row) => row % 3).sort().join(), '0,1,2', method);
      equal((await pie.select(texts, how)).join(), chosen.join(), method);
    }
    equal((await pie.select(texts, { count: texts.length })).length, texts.length);
    for (const options of [{}, { count: 0 }, { count: 13 }, { count: '3' }, { count: 3, method: 'best' }, { count: 3, seed: '1' }, { count: 3, seed: 2 ** 60 }]) {
      equal(await code(pie.select(texts, options)), 'invalid_argument', JSON.stringify(options));
    }
  },

  async 'duplicates are named with what they repeat'({ pie, code }) {
    const texts = ['Write a poem', 'Sort these numbers', 'write a  poem', 'Write a poem', 'Write a song'];
    equal(JSON.stringify(await pie.duplicates(texts, { threshold: 0.99 })), '[null,null,0,0,null]');
    equal(JSON.stringify(await pie.duplicates(await pie.embed(texts), { threshold: 0 })), '[null,0,0,0,0]');
    for (const options of [undefined, {}, { threshold: 2 }, { threshold: null }]) {
      equal(await code(pie.duplicates(texts, options)), 'invalid_argument', JSON.stringify(options));
    }
  },

  async 'a map has like tasks side by side'({ pie, code }) {
    const texts = Array.from({ length: 12 }, (_, n) => [`Write a poem about rain ${n}`, `Sort these numbers: 3, 1, ${n}`, `Translate sentence ${n}`]).flat();
    const vectors = await pie.embed(texts);
    const places = await pie.map(vectors, { seed: 2 });
    equal(places.length, texts.length);
    for (const [row, [x, y]] of places.entries()) {
      ok(Number.isFinite(x) && Number.isFinite(y), `row ${row} lies at ${x}, ${y}`);
      const far = places.map(([ox, oy], other) => (other === row ? Infinity : Math.hypot(x - ox, y - oy)));
      equal(far.indexOf(Math.min(...far)) % 3, row % 3, `nearest to row ${row}`);
    }
    equal(JSON.stringify(await pie.map(texts, { seed: 2 })), JSON.stringify(places));
    equal((await pie.map(Array(8).fill('Write a poem'))).length, 8);
    equal(await code(pie.map(texts.slice(0, 7))), 'invalid_argument');
    equal(await code(pie.map(vectors, { seed: -1 })), 'invalid_argument');
    equal(await code(pie.map([])), 'no_texts');
  },

  async 'lists of 100,000 vectors are worked on'({ pie }) {
    const rows = 100_000;
    const data = Float32Array.from({ length: 4 * rows }, (_, at) => Number(at % 4 === (at >> 2) % 3));
    const vectors = { data, dims: [rows, 4] };
    const repeats = await pie.duplicates(vectors, { threshold: 0.99 });
    equal(repeats.length, rows);
    equal(repeats.findLastIndex((row) => row === null), 2);
    equal((await pie.cluster(vectors, { threshold: 0.99 })).clusters.map(({ size }) => size).join(), '33334,33333,33333');
    equal((await pie.cluster(vectors, { k: 3 })).clusters.map(({ size }) => size).join(), '33334,33333,33333');
    equal((await pie.select(vectors, { count: 3, method: 'k-center' })).map((row) => row % 3).sort().join(), '0,1,2');
  },

  async 'texts of 1 MB and half characters are indexed and grouped like any others'({ pie }) {
    const texts = ['Write a poem about rain. '.repeat(42_000), 'Write \ud83d a poem', 'Sort these numbers: 3, 1, 2'];
    const index = pie.index();
    await index.add(['\ud800', 'b', 0], texts);
    equal((await index.search(texts[1], 1))[0].id, 'b');
    equal(await index.remove('\ud800'), true);
    equal(index.size, 2);
    index.dispose();
    equal((await pie.cluster(texts, { k: 3 })).clusters.length, 3);
  },

  async 'work on vectors tells its steps'({ pie, code }) {
    const vectors = await pie.embed(Array.from({ length: 12 }, (_, n) => `${TEXTS[n % TEXTS.length]} ${n}`));
    const told = async (work) => {
      const steps = [];
      await work((step) => steps.push(step));
      return steps;
    };
    const clusters = await told((onStep) => pie.cluster(vectors, { k: 3, onStep }));
    ok(clusters.length >= 3, `${clusters.length} steps`);
    ok(clusters.every(({ done, total }, n) => done <= total && done >= (clusters[n - 1]?.done ?? 0)), JSON.stringify(clusters));
    const map = await told((onStep) => pie.map(vectors, { onStep }));
    equal(map.map(({ done }) => done).join(), Array.from({ length: 100 }, (_, n) => n + 1).join());
    ok(map.every(({ total }) => total === 100), 'total');
    const own = new Error('enough');
    equal(await pie.map(vectors, { onStep: () => { throw own; } }).catch((error) => error), own);
    equal(await code(pie.map(vectors, { onStep: 'loud' })), 'invalid_argument');
  },

  async 'long work on vectors can be ended, and says how far the texts are'({ pie, PieEmbedder, code }) {
    const steps = [];
    await pie.cluster(Array.from({ length: 20 }, (_, n) => `Write ${n}`), { k: 2, onProgress: ({ done, total }) => steps.push(`${done}/${total}`) });
    equal(steps.at(-1), '20/20');
    const signal = AbortSignal.abort();
    const vectors = await pie.embed(TEXTS);
    for (const input of [TEXTS, vectors]) {
      for (const call of [pie.cluster(input, { k: 2, signal }), pie.select(input, { count: 2, signal }), pie.duplicates(input, { threshold: 1, signal })]) {
        equal(await code(call), 'aborted');
      }
    }
    const own = await PieEmbedder.load();
    const [bulk, index] = [code(own.select(Array(64).fill(TEXTS[3]), { count: 2 })), own.index()];
    own.dispose();
    equal(await bulk, 'disposed');
    equal(await code(own.duplicates(vectors, { threshold: 1 })), 'disposed');
    equal(await code(index.search('a')), 'disposed');
  },

  async 'an abort ends a call before and in the middle'({ pie, code }) {
    const reason = new Error('changed my mind');
    const error = await pie.embed('a', { signal: AbortSignal.abort(reason) }).catch((error) => error);
    equal(error.code, 'aborted');
    equal(error.cause, reason);
    const controller = new AbortController();
    const bulk = code(pie.classify(Array(400).fill(TEXTS[0]), { signal: controller.signal }));
    controller.abort();
    equal(await bulk, 'aborted');
  },

  async 'every kind of call can be aborted'({ pie, code }) {
    const signal = AbortSignal.abort();
    const tagger = await pie.tagger({ a: ['write a poem'], b: ['sort a list'] });
    for (const call of [
      pie.embed('a', { signal }), pie.classify(['a'], { signal }), pie.similarity('a', 'b', { signal }),
      pie.tagger({ a: ['x'], b: ['y'] }, { signal }), tagger.classify('a', { signal }),
    ]) {
      equal(await code(call), 'aborted');
    }
    const controller = new AbortController();
    const running = [pie.similarity('a', 'b', controller), pie.tagger({ a: ['x'], b: ['y'] }, controller)].map(code);
    controller.abort();
    // Short as they are, they may be done before they hear of it.
    for (const got of await Promise.all(running)) ok(got === 'aborted' || got === 'none', got);
    tagger.dispose();
  },

  async 'a list tells of its progress'({ pie, code }) {
    const steps = [];
    const onProgress = (step) => steps.push(step);
    await pie.classify(Array(30).fill('Translate'), { onProgress });
    ok(steps.length > 1, 'told once');
    for (const [index, { done, total }] of steps.entries()) {
      equal(total, 30, 'total');
      ok(done > (steps[index - 1]?.done ?? 0) && done <= total, `step ${index}: ${done} of ${total}`);
    }
    equal(steps.at(-1).done, 30);
    equal(await code(pie.embed('a', { onProgress: 'loud' })), 'invalid_argument');
    const own = new Error('mine');
    equal(await pie.embed(Array(30).fill('a'), { onProgress: () => { throw own; } }).catch((error) => error), own);
  },

  async 'a list of 100,000 can be given up at once'({ pie, code }) {
    const controller = new AbortController();
    const bulk = code(pie.embed(Array(100_000).fill(TEXTS[3]), controller));
    await pie.embed('Translate');
    controller.abort();
    equal(await bulk, 'aborted');
  },

  async 'long texts do not make one long piece'({ pie }) {
    const steps = [];
    await pie.embed(Array(3).fill('Write a poem about rain. '.repeat(45)), { onProgress: ({ done }) => steps.push(done) });
    equal(steps.join(), '1,2,3');
  },

  async 'a short call does not wait behind a long one'({ pie }) {
    let bulkDone = false;
    const bulk = pie.embed(Array(64).fill(TEXTS[3])).then(() => (bulkDone = true));
    await pie.embed('Translate');
    ok(!bulkDone, 'it waited');
    await bulk;
  },

  async 'info describes the model'({ pie, model }) {
    const info = pie.info();
    equal(info.bytes, model.length, 'bytes');
    ok(/^[0-9a-f]{64}$/.test(info.sha256), `sha256 ${info.sha256}`);
    ok(['simd128', 'relaxed-simd'].includes(info.simd), `simd ${info.simd}`);
    ok(info.taxonomy.tasks > 100, `${info.taxonomy.tasks} tasks`);
    for (const key of ['hiddenSize', 'viewSize', 'numHiddenLayers', 'numAttentionHeads', 'intermediateSize', 'vocabSize', 'maxTokens']) {
      ok(Number.isInteger(info[key]) && info[key] > 0, `${key} is ${info[key]}`);
    }
    for (const key of ['architecture', 'name', 'pooling', 'license', 'provenance', 'version']) {
      ok(typeof info[key] === 'string' && info[key] !== '', `${key} is ${info[key]}`);
    }
  },

  async 'without a taxonomy there is embedding and no classifying'({ PieEmbedder, code, model }) {
    for (const options of [{ taxonomy: null }, { model }]) {
      const bare = await PieEmbedder.load(options);
      equal(bare.info().taxonomy, null);
      equal(await code(bare.classify('a')), 'no_taxonomy');
      unit(await bare.embed('a'));
      bare.dispose();
    }
  },

  async 'model and taxonomy may come as bytes'({ PieEmbedder, pie, model, taxonomy }) {
    // As Uint8Array and as ArrayBuffer; the caller keeps what it gave.
    const own = await PieEmbedder.load({ model, taxonomy: new Uint8Array(taxonomy).buffer });
    equal(JSON.stringify(await own.classify(TEXTS[0])), JSON.stringify(await pie.classify(TEXTS[0])));
    equal(own.info().sha256, pie.info().sha256);
    ok(model.length > 0, 'the bytes were taken away');
    own.dispose();
  },

  async 'broken files are refused with a code'({ PieEmbedder, code, pie, model, taxonomy }) {
    const changed = (bytes, ...changes) => {
      const copy = new Uint8Array(bytes);
      for (const [offset, ...values] of changes) copy.set(values, offset);
      return copy;
    };
    const absurd = [255, 255, 255, 255, 255, 255, 255, 127];
    const cases = [
      ['no bytes', new Uint8Array(), ['model_format']],
      ['another magic', changed(model, [0, 71, 71, 77, 76]), ['model_format']],
      ['a web page', new TextEncoder().encode('<!doctype html><title>Not found</title>'), ['model_format']],
      ['another version', changed(model, [4, 99]), ['model_format', 'model_unsupported']],
      ['absurd tensor count', changed(model, [8, ...absurd]), ['model_format']],
      ['absurd metadata count', changed(model, [16, ...absurd]), ['model_format']],
      ['cut in the header', model.slice(0, 20), ['model_format']],
      ['cut in the metadata', model.slice(0, 5000), ['model_format']],
      ['cut in the weights', model.slice(0, model.length >> 1), ['model_format']],
      ['one byte short', model.slice(0, -1), ['model_format']],
      ['a changed weight', changed(model, [model.length - 1, model.at(-1) ^ 1]), ['model_corrupt']],
      ['a taxonomy', taxonomy, ['model_unsupported', 'model_format']],
    ];
    for (const [what, bytes, codes] of cases) {
      const got = await code(PieEmbedder.load({ model: bytes }));
      ok(codes.includes(got), `${what}: ${got} is not ${codes.join(' or ')}`);
    }
    for (const [what, bytes, codes] of [
      ['no bytes', new Uint8Array(), ['taxonomy_format']],
      ['cut', taxonomy.slice(0, taxonomy.length >> 1), ['taxonomy_format']],
      ['a model', model.slice(0, 100_000), ['taxonomy_format']],
      ['one byte short', taxonomy.slice(0, -1), ['taxonomy_format']],
    ]) {
      const got = await code(PieEmbedder.load({ taxonomy: bytes }));
      ok(codes.includes(got), `taxonomy, ${what}: ${got} is not ${codes.join(' or ')}`);
    }
    unit(await pie.embed(TEXTS[0]));
  },

  async "another model's taxonomy is refused"({ PieEmbedder, code, model, taxonomy }) {
    equal(await code(PieEmbedder.load({ model: otherModel(model), taxonomy })), 'taxonomy_mismatch');
  },

  async 'loading checks its arguments'({ PieEmbedder, code }) {
    for (const options of [
      null, 'minilm', { model: 5 }, { model: {} }, { taxonomy: 5 }, { wasm: 5 }, { onProgress: 'loud' }, { signal: {} },
      { pool: 0 }, { pool: 1.5 }, { pool: '2' }, { pool: 65 }, { pool: null },
    ]) {
      equal(await code(PieEmbedder.load(options)), 'invalid_argument', JSON.stringify(options));
    }
    for (const model of ['nosuchmodel', 'Small', '', 'pie-small']) {
      const error = await PieEmbedder.load({ model }).catch((error) => error);
      equal(error.code, 'not_found', model);
      ok(error.message.includes('small, multi'), error.message);
    }
    (await PieEmbedder.load({ model: 'small' })).dispose();
    equal(await code(PieEmbedder.load({ signal: AbortSignal.abort() })), 'aborted');
  },

  async 'progress rises to its total'({ PieEmbedder }) {
    const steps = [];
    const own = await PieEmbedder.load({ onProgress: (step) => steps.push(step) });
    own.dispose();
    for (const [index, { loaded, total }] of steps.entries()) {
      ok(index === 0 || loaded >= steps[index - 1].loaded, `step ${index} goes back`);
      ok(loaded <= total, `step ${index}: ${loaded} of ${total}`);
      equal(total, steps[0].total, 'total');
    }
    const last = steps.at(-1);
    equal(last.phase, 'ready');
    equal(last.loaded, last.total);
    equal([...new Set(steps.map(({ phase }) => phase))].join(), 'download,compile,ready', 'phases');
  },

  async 'what onProgress throws ends that load, and no other'({ PieEmbedder }) {
    const own = new Error('mine');
    const [failed, fine] = await Promise.allSettled([
      PieEmbedder.load({ onProgress: () => { throw own; } }),
      PieEmbedder.load(),
    ]);
    equal(failed.reason, own);
    equal(fine.status, 'fulfilled');
    fine.value.dispose();
  },

  async 'a disposed embedder says so, and leaves the others alone'({ PieEmbedder, pie, code }) {
    const own = await PieEmbedder.load();
    const tagger = await own.tagger({ a: ['write a poem'], b: ['sort a list'] });
    const bulk = code(own.embed(Array(64).fill(TEXTS[3])));
    own.dispose();
    own.dispose();
    equal(await bulk, 'disposed');
    equal(await code(own.embed('a')), 'disposed');
    equal(await code(own.classify('a')), 'disposed');
    equal(await code(own.similarity('a', 'b')), 'disposed');
    equal(await code(own.tagger({ a: ['x'], b: ['y'] })), 'disposed');
    equal(await code(tagger.classify('a')), 'disposed');
    equal(await code((async () => own.info())()), 'disposed');
    tagger.dispose();
    unit(await pie.embed('a'));
  },
};

/** The beginning of a GGUF file with one tensor, as another program might write it. */
export function foreignModel({ architecture = 'bert', type = 0, version = 3, tokens = 3 }) {
  const bytes = [];
  const number = (value, width) => bytes.push(...Array.from({ length: width }, (_, byte) => Math.floor(value / 256 ** byte) % 256));
  const string = (text) => (number(text.length, 8), bytes.push(...new TextEncoder().encode(text)));
  string('GGUF');
  bytes.splice(0, 8);
  number(version, 4);
  number(1, 8);
  number(3, 8);
  string('general.alignment');
  number(4, 4);
  number(32, 4);
  string('general.architecture');
  number(8, 4);
  string(architecture);
  string('tokenizer.ggml.tokens');
  number(9, 4);
  number(8, 4);
  number(tokens, 8);
  for (let token = 0; token < tokens; token++) string(`token ${token}`);
  string('token_embd.weight');
  number(2, 4);
  number(256, 8);
  number(4, 8);
  number(type, 4);
  number(0, 8);
  return Uint8Array.from(bytes);
}

/** A sound model of another sha256 and the same length: as another program would write it, with none of our `pie.` keys. */
export function otherModel(model) {
  const other = new Uint8Array(model);
  const prefix = new TextEncoder().encode('pie.');
  for (let at = other.indexOf(prefix[0], 8); at >= 0; at = other.indexOf(prefix[0], at + 1)) {
    // A key stands behind its length, eight bytes of which only the first is not zero.
    const isKey = prefix.every((byte, index) => other[at + index] === byte) && other[at - 8] > 4 && other.subarray(at - 7, at).every((byte) => byte === 0);
    if (isKey) other[at] ^= 1;
  }
  return other;
}

/** One promise's error code; a promise that holds counts as none. */
export async function code(promise) {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return error.name === 'PieError' ? error.code : `${error.name}: ${error.message}`;
  }
}
