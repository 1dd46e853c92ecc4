// Makes the demo in target/demo: a folder of files for any path of any static host, with the package under pkg/.
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build as bundle } from 'esbuild';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const PAGE = join(HERE, 'page');
const DATASET = fileURLToPath(new URL('../target/page-dataset/', import.meta.url));
const PACKAGE = fileURLToPath(new URL('../pkg/dist/', import.meta.url));
export const DEMO = fileURLToPath(new URL('../target/demo/', import.meta.url));

export async function build() {
  for (const built of [join(PACKAGE, 'index.js'), join(DATASET, 'pie_dataset_bg.wasm')]) {
    if (!(await stat(built).catch(() => undefined))) throw new Error(`${built} is not built yet: run ./build.sh pkg`);
  }
  const part = `${DEMO.slice(0, -1)}.${process.pid}.part`;
  await rm(part, { recursive: true, force: true });
  await mkdir(part, { recursive: true });
  await cp(PAGE, part, { recursive: true });
  await cp(PACKAGE, join(part, 'pkg'), { recursive: true, filter: (name) => !/\.(d\.ts|part)$|\/wasm[^/]*\/[^/]*\.js$/.test(name) });
  await cp(DATASET, join(part, 'dataset'), { recursive: true, filter: (name) => !/\.d\.ts$/.test(name) });
  await vendor(part);
  await list(part);
  await rm(DEMO, { recursive: true, force: true });
  await rename(part, DEMO.slice(0, -1));
}

/** The libraries of the page, as one module, and their licences. */
async function vendor(folder) {
  const { metafile } = await bundle({
    stdin: {
      contents: `export { select } from 'd3-selection';
        export { zoom, zoomIdentity } from 'd3-zoom';`,
      resolveDir: HERE,
    },
    outfile: join(folder, 'vendor.js'),
    metafile: true,
    absWorkingDir: HERE,
    bundle: true,
    format: 'esm',
    minify: true,
    legalComments: 'none',
    logLevel: 'warning',
  });
  const packages = new Set(Object.keys(metafile.inputs).flatMap((name) => /^node_modules\/([^/]+)\//.exec(name)?.[1] ?? []));
  const licences = await Promise.all([...packages].sort().map(async (name) =>
    `${name}\n\n${await readFile(join(HERE, 'node_modules', name, 'LICENSE'), 'utf8')}`));
  await writeFile(join(folder, 'vendor.txt'), licences.join('\n\n'));
}

/**
 * What the service worker keeps, with the hashes that it verifies: all but the package's large files, which it keeps by itself, and its
 * notices. A change of any gives another version.
 */
async function list(folder) {
  const entries = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const names = entries.map(({ parentPath, name }) => relative(folder, join(parentPath, name)).replaceAll('\\', '/')).sort();
  const files = {};
  for (const name of names.filter((name) => !/^pkg\/(models\/|NOTICES|.*\.wasm$)|^sw\.js$/.test(name))) files[name] = sha256(await readFile(join(folder, name)));
  files['./'] = files['index.html'];
  const version = sha256(JSON.stringify(files)).slice(0, 16);
  await writeFile(join(folder, 'files.js'), `self.VERSION = '${version}';\nself.FILES = ${JSON.stringify(files, null, 1)};\n`);
}

const sha256 = (content) => createHash('sha256').update(content).digest('hex');

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  build().then(
    () => console.log(DEMO),
    (error) => {
      console.error(`demo: ${error.message}`);
      process.exitCode = 1;
    },
  );
}
