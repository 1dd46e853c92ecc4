// The engines outside the browser, in turns: one instruction a call on one thread, then a whole file on all cores.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { median } from '../figures.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The last line that the program prints, which is JSON. */
function figures(program, args) {
  return new Promise((resolve, reject) => {
    execFile(program, args, { cwd: root, maxBuffer: 1 << 26 }, (error, stdout) => {
      if (error) return reject(error);
      const line = stdout.trimEnd().split('\n').at(-1);
      try {
        resolve(JSON.parse(line));
      } catch {
        reject(new Error(`${program} ${args.join(' ')} ended with no line of JSON but ${JSON.stringify(line)}`));
      }
    });
  });
}

/** One thread: the least `best_ms` and the median `median_ms` of as many turns as passes. */
export async function oneByOne(names, peerModel, passes) {
  const engines = [
    ...names.map((name) => ({
      name,
      run: () => figures('cargo', ['bench', '-q', '--bench', 'encoder', '--features', 'cli', '--', name]),
    })),
    {
      name: 'onnxruntime-node q8',
      run: () => figures('node', ['benches/peers/onnxruntime-node.mjs', peerModel, 'model_quantized.onnx']),
    },
  ];
  const turns = engines.map(() => []);
  for (let pass = 0; pass < passes; pass++) {
    for (const [index, { run }] of engines.entries()) turns[index].push(await run());
  }
  return engines.map(({ name }, index) => ({
    name,
    best_ms: Math.min(...turns[index].map(({ best_ms }) => best_ms)),
    median_ms: median(turns[index].map(({ median_ms }) => median_ms)),
  }));
}

/** All cores: benches/peers/bulk.py does the turns itself, for its peers stay loaded between them. */
export function bulk(python, names, peerModel, base, passes) {
  const models = names.flatMap((name) => ['--model', name]);
  return figures(python, ['benches/peers/bulk.py', '--peer', peerModel, '--base', base, '--rounds', String(passes), ...models]);
}
