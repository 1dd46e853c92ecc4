import { checkOptions, checkSignal, describe, invalid } from './argument.js';
import { type Asset, defaultModel, models, wasm as shippedWasm } from './assets.js';
import { checkHash, download, type Downloaded, type RemoteFile, sha256 } from './download.js';
import type { Engine } from './engine.js';
import { aborted, fromEngine, PieError } from './error.js';
import type { Platform } from './platform.js';
import type { Report } from './shared.js';
import type { FileSource, LoadOptions, LoadProgress } from './types.js';
import { checkSupport, compileBytes, compileFile, engineOf, instantiate } from './wasm.js';
import { Engine as WasmEngine } from './wasm/pie_embed_wasm.js';

type Bytes = Uint8Array<ArrayBuffer>;

/** Fetches wasm, model and taxonomy side by side and sets up an engine of them. */
export async function loadEngine(given: LoadOptions | undefined, platform: Platform): Promise<Engine> {
  const options = checkOptions(given);
  const signal = checkSignal(options.signal);
  if (options.onProgress !== undefined && typeof options.onProgress !== 'function') {
    throw invalid('onProgress', 'a function', options.onProgress);
  }
  const { model, taxonomy } = chooseModel(options, platform);
  checkSupport();
  const wasm =
    options.wasm === undefined ? fromAsset(shippedWasm)
    : options.wasm instanceof WebAssembly.Module ? options.wasm
    : toSource(options.wasm, 'wasm', platform);
  if (signal?.aborted) throw aborted(signal);

  // One end for all parts: the caller's signal, a part that fails, or a progress callback that throws.
  const end = new AbortController();
  const relay = () => end.abort(aborted(signal!));
  signal?.addEventListener('abort', relay);
  try {
    const progress = new Progress([wasm, model, taxonomy].filter(isRemote), options.onProgress, end);
    const [module, modelFile, taxonomyFile] = await Promise.all([
      isRemote(wasm) ? compileFile(wasm, platform, end.signal, progress.of(wasm))
      : wasm instanceof WebAssembly.Module ? engineOf(wasm)
      : compileBytes(wasm),
      read(model, platform, end.signal, progress),
      taxonomy && read(taxonomy, platform, end.signal, progress),
    ]);
    end.signal.throwIfAborted();
    progress.say('compile');
    await instantiate(module);
    end.signal.throwIfAborted();
    const engine = build(model, modelFile, taxonomyFile);
    progress.say('ready');
    return engine;
  } catch (error) {
    end.abort(error);
    throw error;
  } finally {
    signal?.removeEventListener('abort', relay);
  }
}

function build(model: Bytes | RemoteFile, file: Downloaded, taxonomy: Downloaded | null): Engine {
  let engine: Engine | undefined;
  try {
    engine = new WasmEngine(file.bytes, file.sha256) as Engine;
    // Where the platform could not hash, the engine has.
    if (isRemote(model) && file.sha256 === undefined) checkHash(model, engine.info().sha256);
    if (taxonomy) engine.loadTaxonomy(taxonomy.bytes);
    return engine;
  } catch (error) {
    engine?.free();
    throw fromEngine(error);
  }
}

async function read(
  source: Bytes | RemoteFile,
  platform: Platform,
  signal: AbortSignal,
  progress: Progress,
): Promise<Downloaded> {
  return isRemote(source)
    ? download(source, platform, signal, progress.of(source))
    : { bytes: source, sha256: await sha256(source) };
}

function chooseModel(options: LoadOptions, platform: Platform) {
  const { model = defaultModel } = options;
  const shipped = typeof model === 'string' && Object.hasOwn(models, model) ? models[model] : undefined;
  if (!shipped && typeof model === 'string' && !/[./:]/.test(model)) {
    const names = Object.keys(models).join(', ');
    throw new PieError('not_found', `no model is named ${describe(model)}; this package has ${names}, others go by URL`);
  }
  const own = shipped?.taxonomy ? fromAsset(shipped.taxonomy) : null;
  return {
    model: shipped ? fromAsset(shipped.model) : toSource(model, 'model', platform),
    taxonomy:
      options.taxonomy === undefined ? own
      : options.taxonomy === null ? null
      : toSource(options.taxonomy, 'taxonomy', platform),
  };
}

function fromAsset({ file, bytes, sha256, url }: Asset): RemoteFile {
  return { url: url(), file, bytes, sha256 };
}

function toSource(source: FileSource, what: string, platform: Platform): Bytes | RemoteFile {
  // Shared memory can be neither hashed nor trusted to stay.
  if (source instanceof Uint8Array) return (source.buffer instanceof ArrayBuffer ? source : source.slice()) as Bytes;
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (typeof source !== 'string' && !(source instanceof URL)) {
    throw invalid(what, 'a string, a URL, an ArrayBuffer or a Uint8Array', source);
  }
  const url = source instanceof URL ? source : platform.resolve(source);
  return { url, file: url.pathname.split('/').pop() || url.href };
}

function isRemote(source: object | null): source is RemoteFile {
  return source !== null && 'url' in source;
}

/** Sums the files up to one figure; they are all known from the start, or the total would grow. */
class Progress {
  readonly #say: (progress: LoadProgress) => void;
  readonly #files = new Map<string, { loaded: number; total: number | undefined }>();
  readonly #end: AbortController;
  #latest = '';

  constructor(files: RemoteFile[], say: ((progress: LoadProgress) => void) | undefined, end: AbortController) {
    for (const { url, bytes } of files) this.#files.set(url.href, { loaded: 0, total: bytes });
    this.#say = say ?? (() => {});
    this.#end = end;
  }

  of({ url, file }: RemoteFile): Report {
    return (loaded, total) => {
      this.#files.set(url.href, { loaded, total });
      this.#latest = file;
      try {
        this.say('download');
      } catch (error) {
        // The download may be another load's too: what the callback throws ends this one only.
        this.#end.abort(error);
      }
    };
  }

  say(phase: LoadProgress['phase']): void {
    const files = [...this.#files.values()];
    const known = files.every(({ total }) => total !== undefined);
    this.#say({
      phase,
      loaded: files.reduce((sum, { loaded }) => sum + loaded, 0),
      total: known ? files.reduce((sum, { total }) => sum + total!, 0) : 0,
      file: this.#latest,
    });
  }
}
