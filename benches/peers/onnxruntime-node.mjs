// onnxruntime-node, one thread, one instruction a call: prints one line of JSON as benches/encoder.rs does.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import ort from 'onnxruntime-node';
import { embedder } from './engine/onnx.js';
import { summarize, timeEach } from '../figures.mjs';

const PASSES = 5;

const [folder, file] = process.argv.slice(2);
const json = async (name) => JSON.parse(await readFile(join(folder, name), 'utf8'));
const session = await ort.InferenceSession.create(join(folder, 'onnx', file), { intraOpNumThreads: 1, interOpNumThreads: 1 });
const embed = embedder(ort.Tensor, session, new Tokenizer(await json('tokenizer.json'), await json('tokenizer_config.json')));

const instructions = new URL('../../tests/fixtures/bench-instructions.txt', import.meta.url);
const texts = (await readFile(instructions, 'utf8')).split('\n').filter(Boolean);
for (const text of texts) await embed([text]);
const timesMs = await timeEach((text) => embed([text]), texts, PASSES);
console.log(JSON.stringify({ ...summarize(timesMs), threads: 1 }));
