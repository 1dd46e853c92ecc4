import { download, type RemoteFile, wrong } from './download.js';
import { PieError } from './error.js';
import type { Platform } from './platform.js';
import { type Report, Shared } from './shared.js';

// (module (func (result v128) i32.const 0 i8x16.splat)): valid only where there are SIMD instructions.
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11,
]);

/*
 * (func (export "right") (result i32)
 *   (i32x4.all_true (i32x4.eq
 *     (i32x4.relaxed_dot_i8x16_i7x16_add_s
 *       (v128.const i8x16 -128 127 -1 3  100 -100 50 -50  1 2 3 4  -5 -6 -7 -8)
 *       (v128.const i8x16 127 127 15 0  127 1 64 127  1 2 3 4  15 15 15 15)
 *       (v128.const i32x4 1000 -7 0 5))
 *     (v128.const i32x4 858 9443 30 -385))))
 */
const RELAXED_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 9, 1, 5, 114, 105, 103, 104, 116, 0, 0, 10, 84, 1, 82, 0,
  253, 12, 128, 127, 255, 3, 100, 156, 50, 206, 1, 2, 3, 4, 251, 250, 249, 248, 253, 12, 127, 127, 15, 0, 127, 1, 64, 127, 1, 2,
  3, 4, 15, 15, 15, 15, 253, 12, 232, 3, 0, 0, 249, 255, 255, 255, 0, 0, 0, 0, 5, 0, 0, 0, 253, 147, 2, 253, 12, 90, 3, 0, 0,
  227, 36, 0, 0, 30, 0, 0, 0, 127, 254, 255, 255, 253, 55, 253, 163, 1, 11,
]);

// What each wasm of the package has and no other.
const EXPORTS = { engine: 'engine_new', gpu: 'gpuengine_load' };
type Kind = keyof typeof EXPORTS;

const running = new Shared<WebAssembly.Module>();
const compiled = new Map<string, WebAssembly.Module>();

/** Refuses in words where the engine could not run, before anything is fetched. */
export function checkSupport(): void {
  if (typeof WebAssembly !== 'object') {
    throw new PieError('wasm_unsupported', 'this browser has no WebAssembly, or it is switched off');
  }
  if (!WebAssembly.validate(SIMD_PROBE)) {
    throw new PieError(
      'wasm_unsupported',
      'this browser has no WebAssembly SIMD, which the engine needs: Chrome 91, Firefox 89, Safari 16.4 and later have it',
    );
  }
}

/** Whether the engine with relaxed SIMD can be used: where there are such instructions, V8 of Node 20 for one has them wrong. */
export function hasRelaxedSimd(): boolean {
  try {
    const { right } = new WebAssembly.Instance(new WebAssembly.Module(RELAXED_PROBE)).exports as { right: () => number };
    return right() === 1;
  } catch {
    return false;
  }
}

/** The module at an address. Verified as a whole first, so it is not compiled while it arrives. */
export async function compileFile(
  file: RemoteFile,
  platform: Platform,
  signal: AbortSignal,
  report: Report,
  kind: Kind = 'engine',
): Promise<WebAssembly.Module> {
  const key = file.url.href;
  const again = compiled.get(key);
  if (again) {
    report(file.bytes ?? 0, file.bytes ?? 0);
    return again;
  }
  const work = async (signal: AbortSignal, report: Report) => {
    const content = await download(file, platform, signal, report);
    const module = await content.lend(({ bytes }) => compile(bytes, file, kind));
    compiled.set(key, module);
    return module;
  };
  return platform.sharesWork ? running.join(key, work, signal, report) : work(signal, report);
}

export async function compile(
  bytes: Uint8Array<ArrayBuffer>,
  file?: RemoteFile,
  kind: Kind = 'engine',
): Promise<WebAssembly.Module> {
  let module: WebAssembly.Module;
  try {
    module = await WebAssembly.compile(bytes);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (/unsafe-eval|Content Security Policy/i.test(why)) {
      throw new PieError(
        'wasm_unsupported',
        "the page's Content-Security-Policy forbids WebAssembly: add 'wasm-unsafe-eval' to script-src",
        { cause: error },
      );
    }
    if (/disallowed by embedder/i.test(why)) {
      throw new PieError(
        'wasm_unsupported',
        'this runtime compiles WebAssembly only when a program is deployed: import pie-embed-wasm/dist/wasm/pie_embed_wasm_bg.wasm as a module, ' +
          'and give it to load({ wasm })',
        { cause: error },
      );
    }
    throw notEngine(why, file);
  }
  return engineOf(module, file, kind);
}

/** Looks before the engine is set up: the glue would keep even an instance that it cannot use. */
export function engineOf(module: WebAssembly.Module, file?: RemoteFile, kind: Kind = 'engine'): WebAssembly.Module {
  const wanted = EXPORTS[kind];
  if (WebAssembly.Module.exports(module).some(({ name }) => name === wanted)) return module;
  throw notEngine(`it exports no ${wanted}`, file);
}

function notEngine(why: string, file?: RemoteFile): PieError {
  return file ? wrong(file, `is not the engine's wasm: ${why}`) : new PieError('integrity', `the wasm is not the engine's: ${why}`);
}
