// The commands of docs/label.md and docs/uses.md, read from there and run as they stand with the shipped model; then their numbers.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';

const root = resolve(import.meta.dirname, '../..');
const dir = mkdtempSync(join(tmpdir(), 'pie-docs-'));
symlinkSync(join(root, 'examples'), join(dir, 'examples'));
after(() => rmSync(dir, { recursive: true }));

const env = { ...process.env, PATH: `${join(root, 'target/release')}:${process.env.PATH}`, XDG_CACHE_HOME: join(dir, 'cache') };
delete env.PIE_MODEL;

function run(command) {
  const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', command], { cwd: dir, env, encoding: 'utf8' });
  assert.equal(status, 0, `${command}\n${stderr}`);
  return { stdout, stderr };
}

const blocks = (doc) => [...readFileSync(join(root, 'docs', doc), 'utf8').matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block);
const text = (name) => readFileSync(join(dir, name), 'utf8');
const rows = (name) => text(name).trimEnd().split('\n').map((line) => JSON.parse(line));
const isPicture = (name) => assert.match(text(name), /^<svg[^]*<\/svg>\s*$/);

test('label: most labels are a person’s, and a split has no task on both sides', () => {
  const [block] = blocks('label.md');
  run(block);
  const labelled = rows('labels.jsonl');
  const csv = readFileSync(join(root, 'examples/instructions.csv'), 'utf8').trimEnd().split('\n').slice(1);
  const gold = csv.map((line) => line.split(',').at(-1));
  const right = labelled.filter(({ category }, n) => category === gold[n]).length;
  assert.ok(labelled.length === gold.length && right >= 0.9 * gold.length, `${right} of ${gold.length}`);
  const test = Object.keys(JSON.parse(text('test.json')));
  assert.ok(test.length > 0 && rows('train.jsonl').every(({ category }) => !test.includes(category)));
  isPicture('tasks.svg');
});

test('uses: what is chosen, found and told beats chance', () => {
  const [tag, select, retrieve, compress, correlate, report] = blocks('uses.md');
  const tagged = JSON.parse(run(tag).stdout);
  assert.ok(tagged.kinds.length > 0 && tagged.kind.label === tagged.kinds[0].label && tagged.unread === 0, JSON.stringify(tagged));
  run(select);
  const { selection, random } = JSON.parse(text('select.json'));
  assert.ok(rows('chosen.jsonl').length === 40 && selection.tasks > random.tasks && selection.coverage > random.coverage);
  isPicture('select.svg');

  const { stdout, stderr } = run(retrieve);
  const [, nearest] = stderr.match(/for (\S+) of the nearest/);
  assert.ok(Number(nearest) > 0.5, stderr);
  assert.match(stdout, /"prompt":"Say which task[^]*Instruction: Write a haiku about snow\\nTask:"/);
  assert.equal(rows('demonstrations.jsonl').length, 360);

  run(compress.replace('pie compress', 'pie compress --report compress.json'));
  const { error, random_error, spearman } = JSON.parse(text('compress.json'));
  assert.ok(error < 0.95 * random_error && spearman > 0.9, JSON.stringify({ error, random_error, spearman }));
  // A number of anchors may be unlucky in one simulation; over twenty each number must do better than random rows, with either model.
  for (const model of ['pie-small', 'pie-base']) {
    const { stdout } = spawnSync('python3', [join(root, 'examples/uses/simulate.py'), join(root, 'target/release/pie'), '--model', model], { env, encoding: 'utf8' });
    const means = [...stdout.matchAll(/^ *\d+ +(\d\.\d+)/gm)].map(([, mean]) => Number(mean));
    assert.ok(means.length > 5 && means.every((mean) => mean < 0.99), stdout);
  }
  isPicture('compress.svg');

  run(correlate.replace('pie correlate', 'pie correlate -o correlate.json'));
  const { data, cosine, overlap, wasserstein } = JSON.parse(text('correlate.json'));
  for (const [a] of data.entries()) {
    for (const [b] of data.entries()) {
      const [same, within] = [a === b, a === 0 || b === 0];
      assert.equal(wasserstein[a][b] === 0, same);
      // Every group is a part of the first data set, and has no task in common with another one.
      assert.equal(cosine[a][b] > 0.999, same || b === 0);
      assert.equal(overlap[a][b] > 0, same || within);
    }
  }
  isPicture('correlate.svg');

  run(report);
  assert.match(text('report.html'), /^<!DOCTYPE html>[^]*<dd>360<\/dd><dt>rows with a text[^]*Kinds of task[^]*<\/html>$/);
});
