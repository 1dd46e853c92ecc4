import { download, type RemoteFile, wrong } from './download.js';
import { PieError } from './error.js';
import type { Platform } from './platform.js';
import { type Report, Shared } from './shared.js';

// (module (func (result v128) i32.const 0 i8x16.splat)): valid only where there are SIMD instructions.
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11,
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
    const { bytes } = await download(file, platform, signal, report);
    const module = await compile(bytes, file, kind);
    compiled.set(key, module);
    return module;
  };
  return running.join(key, work, signal, report);
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
