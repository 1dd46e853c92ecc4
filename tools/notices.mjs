// node tools/notices.mjs FILE: writes the licences and notices of the crates that are compiled into the package's wasm, as cargo has them.
import { execFile } from 'node:child_process';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const TARGET = 'wasm32-unknown-unknown';
// The features of each wasm file, as tools/package.sh builds them.
const BUILDS = [[], ['--no-default-features', '--features', 'webgpu']];
const TEXTS = /^(licen[cs]e|copying|copyright|notice|unlicense)/i;

const STD = `The standard library of Rust
Licence: MIT OR Apache-2.0
Copyright (c) The Rust Project Contributors
https://www.rust-lang.org/policies/licenses
`;

async function metadata(flags) {
  const { stdout } = await promisify(execFile)('cargo', ['metadata', '--format-version', '1', '--locked', '--filter-platform', TARGET, ...flags], {
    cwd: root,
    maxBuffer: 1 << 28,
  });
  return JSON.parse(stdout);
}

/** The packages whose code is in the build, without build scripts and procedural macros. */
function compiled({ packages, resolve }) {
  const [byId, nodes] = [packages, resolve.nodes].map((list) => new Map(list.map((entry) => [entry.id, entry])));
  const isMacro = (id) => byId.get(id).targets.some(({ kind }) => kind.includes('proc-macro'));
  const reached = new Set();
  const visit = (id) => {
    if (reached.has(id) || isMacro(id)) return;
    reached.add(id);
    for (const { pkg, dep_kinds } of nodes.get(id).deps) if (dep_kinds.some(({ kind }) => kind === null)) visit(pkg);
  };
  visit(resolve.root);
  reached.delete(resolve.root);
  return [...reached].map((id) => byId.get(id));
}

async function textsOf({ manifest_path, license_file }) {
  const folder = dirname(manifest_path);
  const names = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile() && TEXTS.test(entry.name)).map(({ name }) => name);
  const wanted = new Set([...names, ...(license_file ? [license_file] : [])]);
  return Promise.all([...wanted].sort().map(async (name) => (await readFile(join(folder, name), 'utf8')).replaceAll('\r\n', '\n').trim()));
}

const crates = new Map();
for (const build of BUILDS) for (const crate of compiled(await metadata(build))) crates.set(`${crate.name} ${crate.version}`, crate);

const sections = [];
// Each licence text with the crates that share it; texts that differ only in white space count as one.
const sharers = new Map();
for (const [name, crate] of [...crates].sort(([a], [b]) => (a < b ? -1 : 1))) {
  if (!crate.license && !crate.license_file) throw new Error(`the crate ${name} names no licence: find out what it is before it is shipped`);
  const texts = await textsOf(crate);
  const terms = crate.license ?? 'as below';
  const lines = [name, `Licence: ${terms}${texts.length === 0 ? ' (the crate has no file of it)' : ''}`];
  if (crate.authors.length > 0) lines.push(`Authors: ${crate.authors.join(', ')}`);
  sections.push([...lines, crate.repository ?? ''].join('\n').trim());
  for (const text of texts) {
    const key = text.replace(/\s+/g, ' ');
    const shared = sharers.get(key) ?? { text, names: [] };
    shared.names.push(name);
    sharers.set(key, shared);
  }
}

const rule = '-'.repeat(80);
const parts = [
  'What is compiled into the WebAssembly files of this package beside its own code, each under its own licence.',
  ...sections, STD.trim(),
  ...[...sharers.values()].map(({ text, names }) => `${rule}\nOf ${names.join(', ')}:\n\n${text}`),
];
const [file] = process.argv.slice(2);
if (!file) throw new Error('usage: node tools/notices.mjs FILE');
await writeFile(`${file}.part`, `${parts.join('\n\n')}\n`);
await rename(`${file}.part`, file);
