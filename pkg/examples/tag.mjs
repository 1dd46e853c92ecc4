// Tags a few instructions with the built package, resolved by its own name as a project that installed it would.
import { PieEmbedder } from 'pie-embed-wasm';

const instructions = [
  'Write a haiku about snow',
  'Summarize the following article in three sentences.',
  'Translate this sentence into French',
  'Suggest a few names for a bakery',
  'Sort these numbers: 3, 1, 2',
  'How do volcanoes form?',
];

const pie = await PieEmbedder.load();
const rows = (await pie.classify(instructions, { topK: 1 })).map(([best], index) => ({
  instruction: instructions[index],
  ...best,
}));
pie.dispose();

const width = (column) => Math.max(...rows.map((row) => row[column].length));
const [instructionWidth, nameWidth, labelWidth] = ['instruction', 'name', 'label'].map(width);
for (const { instruction, name, label, score } of rows) {
  console.log(
    instruction.padEnd(instructionWidth),
    name.padEnd(nameWidth),
    label.padEnd(labelWidth),
    score.toFixed(3),
  );
}
