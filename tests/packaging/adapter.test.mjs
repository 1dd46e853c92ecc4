// The adapters under the packages that they are for: LangChain.js, the Vercel AI SDK and OpenAI's client.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { MemoryVectorStore } from '@langchain/classic/vectorstores/memory';
import { embed, embedMany } from 'ai';
import OpenAI from 'openai';
import { PieEmbeddingModel } from '../../pkg/dist/ai-sdk.js';
import { PieEmbeddings } from '../../pkg/dist/langchain.js';
import { PieEmbedder } from '../../pkg/dist/node.js';
import { PieOpenAI } from '../../pkg/dist/openai.js';

const TEXTS = ['Write a haiku about snow', 'Sort these numbers: 3, 1, 2'];
const coded = (code) => ({ name: 'PieError', code });

describe('adapters', () => {
  let pie;
  before(async () => (pie = await PieEmbedder.load()));
  after(() => pie.dispose());

  const vector = async (text, options) => Array.from(await pie.embed(text, options));
  const vectors = (options) => Promise.all(TEXTS.map((text) => vector(text, options)));

  describe('PieEmbeddings', () => {
    test("a vector store of LangChain.js finds a document by its task", async () => {
      const documents = [...TEXTS, 'Translate this sentence into French: good morning'];
      const store = await MemoryVectorStore.fromTexts(documents, documents.map((_, id) => ({ id })), new PieEmbeddings(pie));
      const [[best, score]] = await store.similaritySearchWithScore('Compose a haiku about rain', 1);
      assert.deepEqual([best.pageContent, best.metadata], [TEXTS[0], { id: 0 }]);
      assert.ok(score > 0.5 && score <= 1 + 1e-6, `score ${score}`);
      await store.addDocuments([]);
      assert.equal(store.memoryVectors.length, 3);
    });

    test('its vectors are those of embed, in plain arrays', async () => {
      for (const options of [{}, { dimensions: 64 }, { view: 'both', mix: 0.25 }]) {
        const embeddings = new PieEmbeddings(pie, options);
        assert.deepEqual(await embeddings.embedDocuments(TEXTS), await vectors(options));
        assert.deepEqual(await embeddings.embedQuery(TEXTS[0]), await vector(TEXTS[0], options));
      }
      assert.deepEqual(await new PieEmbeddings(pie).embedDocuments([]), []);
    });

    test('the errors are those of the package', async () => {
      const embeddings = new PieEmbeddings(pie);
      await assert.rejects(embeddings.embedQuery(' '), coded('blank_text'));
      await assert.rejects(embeddings.embedQuery(7), coded('invalid_argument'));
      await assert.rejects(embeddings.embedDocuments(['a', '']), { ...coded('blank_text'), message: /texts\[1\]/ });
      await assert.rejects(embeddings.embedDocuments('a text'), coded('invalid_argument'));
      await assert.rejects(embeddings.embedDocuments(), coded('invalid_argument'));
      await assert.rejects(new PieEmbeddings(pie, { dimensions: 9999 }).embedQuery('a'), coded('invalid_dimensions'));
      await assert.rejects(new PieEmbeddings(pie, { view: 'neither' }).embedQuery('a'), coded('invalid_argument'));
      await assert.rejects(MemoryVectorStore.fromTexts(['a', ' '], [], embeddings), coded('blank_text'));
    });
  });

  describe('PieEmbeddingModel', () => {
    test('embed and embedMany of the AI SDK give the vectors of embed', async () => {
      for (const options of [{}, { dimensions: 64 }, { view: 'both' }]) {
        const model = new PieEmbeddingModel(pie, options);
        assert.deepEqual((await embed({ model, value: TEXTS[0] })).embedding, await vector(TEXTS[0], options));
        const { embeddings, warnings } = await embedMany({ model, values: TEXTS });
        assert.deepEqual(embeddings, await vectors(options));
        assert.deepEqual(warnings, []);
      }
      assert.deepEqual((await embedMany({ model: new PieEmbeddingModel(pie), values: [] })).embeddings, []);
    });

    test('the dimensions of a call go before those of the model', async () => {
      const model = new PieEmbeddingModel(pie, { dimensions: 64 });
      assert.deepEqual((await embed({ model, value: TEXTS[0], dimensions: 32 })).embedding, await vector(TEXTS[0], { dimensions: 32 }));
    });

    test('it names the model, and warns of truncated texts', async () => {
      const model = new PieEmbeddingModel(pie, { maxTokens: 8 });
      assert.deepEqual([model.specificationVersion, model.provider, model.modelId], ['v4', 'pie', pie.info().name]);
      const { warnings } = await model.doEmbed({ values: ['a', TEXTS.join(' ')] });
      assert.deepEqual(warnings, [{ type: 'other', message: '1 of 2 texts are longer than the model takes and lost their middle' }]);
    });

    test('the errors are those of the package, an abort among them', async () => {
      const model = new PieEmbeddingModel(pie);
      await assert.rejects(embed({ model, value: ' ' }), coded('blank_text'));
      await assert.rejects(embedMany({ model, values: ['a', 7] }), coded('invalid_argument'));
      await assert.rejects(embed({ model, value: 'a', dimensions: 9999 }), coded('invalid_dimensions'));
      await assert.rejects(embed({ model, value: 'a', abortSignal: AbortSignal.abort() }), coded('aborted'));
    });
  });

  describe('PieOpenAI', () => {
    test("it answers as OpenAI's client does", async () => {
      const { embeddings } = new PieOpenAI(pie);
      const [first, second] = await vectors();
      const usage = { prompt_tokens: 0, total_tokens: 0 };
      assert.deepEqual(await embeddings.create({ input: TEXTS, model: 'text-embedding-3-small' }), {
        object: 'list',
        data: [{ object: 'embedding', index: 0, embedding: first }, { object: 'embedding', index: 1, embedding: second }],
        model: pie.info().name,
        usage,
      });
      const { data } = await embeddings.create({ input: TEXTS[0], dimensions: 64, encoding_format: 'float' });
      assert.deepEqual(data, [{ object: 'embedding', index: 0, embedding: await vector(TEXTS[0], { dimensions: 64 }) }]);
      assert.deepEqual((await embeddings.create({ input: [] })).data, []);
    });

    // By default the client asks its server for base64, and decodes that.
    test("base64 is what OpenAI's client decodes", async () => {
      const own = new PieOpenAI(pie, { view: 'both' });
      const asked = [];
      const client = new OpenAI({
        apiKey: 'none',
        fetch: async (_, { body }) => {
          asked.push(JSON.parse(body).encoding_format);
          return Response.json(await own.embeddings.create(JSON.parse(body)));
        },
      });
      const { data } = await client.embeddings.create({ input: TEXTS, model: 'pie' });
      assert.deepEqual(asked, ['base64']);
      assert.deepEqual(data.map(({ embedding }) => embedding), await vectors({ view: 'both' }));
    });

    test('the errors are those of the package', async () => {
      const { embeddings } = new PieOpenAI(pie);
      await assert.rejects(embeddings.create(), coded('invalid_argument'));
      await assert.rejects(embeddings.create({ input: 7 }), coded('invalid_argument'));
      await assert.rejects(embeddings.create({ input: [[1, 2], [3]] }), { ...coded('invalid_argument'), message: /texts\[0\] must be a string/ });
      await assert.rejects(embeddings.create({ input: ' ' }), coded('blank_text'));
      await assert.rejects(embeddings.create({ input: 'a', encoding_format: 'hex' }), { ...coded('invalid_argument'), message: /"hex"/ });
      await assert.rejects(embeddings.create({ input: 'a', dimensions: 0 }), coded('invalid_dimensions'));
      await assert.rejects(embeddings.create({ input: 'a' }, { signal: AbortSignal.abort() }), coded('aborted'));
    });
  });

  test('the promise of an embedder is refused at once', () => {
    for (const Adapter of [PieEmbeddings, PieEmbeddingModel, PieOpenAI]) {
      for (const wrong of [Promise.resolve(pie), undefined]) {
        assert.throws(() => new Adapter(wrong), { ...coded('invalid_argument'), message: /await PieEmbedder\.load\(\)/ });
      }
      assert.throws(() => new Adapter(pie, 'task'), coded('invalid_argument'));
    }
  });
});
