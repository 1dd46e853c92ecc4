// node tools/models.mjs FROM TO [NAME]: a model, the default one unless named, and its taxonomy, checked, into a package, with a manifest
// of what is there.
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const [from, to, named] = process.argv.slice(2);

function fail(message) {
  console.error(`build.sh: ${message}`);
  process.exit(1);
}

const sha256 = async (path) => {
  const bytes = await readFile(path).catch(() => null);
  return bytes && createHash('sha256').update(bytes).digest('hex');
};

const manifest = JSON.parse(
  await readFile(join(from, 'manifest.json'), 'utf8').catch(() => fail(`${from}/manifest.json is missing: check it out of git again.`)),
);
const wantedName = named ?? manifest.default;
const model = manifest.models.find(({ name }) => name === wantedName);
if (!model) fail(`${from}/manifest.json: "${wantedName}" is not among its models: name one of them.`);

const wanted = [{ file: 'LICENSE' }, model, model.taxonomy].filter(Boolean);
for (const { file, sha256: expected } of wanted) {
  const found = await sha256(join(from, file));
  if (!found) fail(`${from}/${file} is missing: check it out of git again, or make it anew and list it in ${from}/manifest.json.`);
  if (expected && found !== expected) {
    fail(`${from}/${file} has sha256 ${found}, ${from}/manifest.json says ${expected}: check both out again, or correct the manifest.`);
  }
}

// Written beside and renamed: whoever reads the package meanwhile sees a whole file.
await mkdir(to, { recursive: true });
const files = wanted.map(({ file }) => file);
for (const file of files) {
  const [source, target] = [join(from, file), join(to, file)];
  if ((await sha256(source)) === (await sha256(target))) continue;
  await copyFile(source, `${target}.part`);
  await rename(`${target}.part`, target);
  console.error(`==> ${target}`);
}
await writeFile(join(to, 'manifest.json.part'), `${JSON.stringify({ ...manifest, default: model.name, models: [model] }, null, 2)}\n`);
await rename(join(to, 'manifest.json.part'), join(to, 'manifest.json'));
files.push('manifest.json');
for (const old of await readdir(to)) if (!files.includes(old)) await rm(join(to, old), { recursive: true });
