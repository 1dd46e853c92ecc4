import { checkBytes, checkDevice, checkFunction, checkOptions, checkPool, checkSignal, describe, invalid, viewOf } from './argument.js';
import { type Asset, defaultModel, gpuWasm, type ModelAssets, models, relaxedWasm, wasm as shippedWasm } from './assets.js';
import { checkCompanion, companions, isModelPackage } from './companion.js';
import { Content, type Files, own } from './content.js';
import { checkHash, download, type RemoteFile, sha256 } from './download.js';
import { aborted, NO_FILES, PieError, typed } from './error.js';
import { checkModelStart } from './gguf.js';
import type { Platform } from './platform.js';
import type { Runner } from './runner.js';
import type { Report } from './shared.js';
import type { Device, FileSource, LoadOptions, LoadProgress } from './types.js';
import { checkSupport, compile, compileFile, engineOf, hasRelaxedSimd } from './wasm.js';

type Bytes = Uint8Array<ArrayBuffer>;

interface ModelFiles {
  model: Bytes | RemoteFile;
  taxonomy: Bytes | RemoteFile | null;
}

/** What the caller wants of an engine besides its files. */
export interface Wish {
  pool: number;
  device: Device;
  onFallback: ((error: PieError) => void) | undefined;
  /** Fetches the GPU's wasm; called only when the caller asks for WebGPU. */
  gpu(signal: AbortSignal): Promise<WebAssembly.Module>;
}

/** Puts the files to work. */
export type SetUp = (files: Files) => Promise<Runner>;

/**
 * Fetches wasm, model and taxonomy side by side. `begin` prepares beside that what sets them up, for which it has the module as soon as
 * there is one; the signal says that it never will.
 */
export async function load(
  given: LoadOptions | undefined,
  platform: Platform,
  begin: (wish: Wish, signal: AbortSignal, module: Promise<WebAssembly.Module>) => SetUp,
): Promise<Runner> {
  const options = checkOptions(given);
  const signal = checkSignal(options.signal);
  const say = checkFunction(options.onProgress, 'onProgress');
  const wish: Wish = {
    pool: checkPool(options.pool),
    device: checkDevice(options.device),
    onFallback: checkFunction(options.onFallback, 'onFallback'),
    gpu: (signal) => compileFile(fromAsset(gpuWasm, platform), platform, signal, () => {}, 'gpu'),
  };
  checkSupport();
  const wasm =
    options.wasm === undefined ? fromAsset(hasRelaxedSimd() ? relaxedWasm : shippedWasm, platform)
    : options.wasm instanceof WebAssembly.Module ? options.wasm
    : toSource(options.wasm, 'wasm', platform);
  const { model, taxonomy } = await chooseModel(options, platform);
  if (signal?.aborted) throw aborted(signal);

  // One end for all parts: the caller's signal, a part that fails, or a progress callback that throws.
  const end = new AbortController();
  const relay = () => end.abort(aborted(signal!));
  signal?.addEventListener('abort', relay);
  let runner: Runner | undefined;
  try {
    const progress = new Progress([wasm, model, taxonomy].filter(isRemote), say, end);
    const engine = makeModule(wasm, platform, end.signal, progress);
    // Awaited below. When `begin` throws first, this rejection must not count as unhandled.
    engine.catch(() => {});
    const setUp = begin(wish, end.signal, engine);
    const [module, modelFile, taxonomyFile] = await Promise.all([
      engine,
      read(model, platform, end.signal, progress),
      taxonomy && read(taxonomy, platform, end.signal, progress),
    ]);
    end.signal.throwIfAborted();
    progress.say('compile');
    end.signal.throwIfAborted();
    runner = await setUp({ module, model: modelFile, taxonomy: taxonomyFile });
    end.signal.throwIfAborted();
    // Where the platform could not hash, the engine has.
    if (isRemote(model) && modelFile.sha256 === undefined) checkHash(model, runner.info.sha256);
    progress.say('ready');
    end.signal.throwIfAborted();
    return runner;
  } catch (error) {
    // An abort, and an error thrown by the caller's callback, are passed on unchanged.
    const reason = end.signal.aborted && error === end.signal.reason ? error : typed(error);
    end.abort(reason);
    runner?.free();
    throw reason;
  } finally {
    signal?.removeEventListener('abort', relay);
  }
}

async function makeModule(
  source: Bytes | RemoteFile | WebAssembly.Module,
  platform: Platform,
  signal: AbortSignal,
  progress: Progress,
): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return engineOf(source);
  return isRemote(source) ? compileFile(source, platform, signal, progress.of(source)) : compile(source);
}

async function read(
  source: Bytes | RemoteFile,
  platform: Platform,
  signal: AbortSignal,
  progress: Progress,
): Promise<Content> {
  if (isRemote(source)) return download(source, platform, signal, progress.of(source));
  return new Content(source, await sha256(source), own(source));
}

/** The model's files. The caller's own are copied before the first await. */
async function chooseModel({ model = defaultModel, taxonomy }: LoadOptions, platform: Platform): Promise<ModelFiles> {
  const ownTaxonomy = taxonomy == null ? taxonomy : toSource(taxonomy, 'taxonomy', platform);
  // Nothing may throw between a companion's import and its await: the import's rejection would have no handler.
  const assets =
    typeof model === 'string' ? namedModel(model)
    : isModelPackage(model) ? checkCompanion(model)
    : undefined;
  if (!assets) return { model: toSource(model as FileSource, 'model', platform, checkModelStart), taxonomy: ownTaxonomy ?? null };
  const found = await assets;
  const itsTaxonomy = found.taxonomy && fromAsset(found.taxonomy, platform);
  return { model: fromAsset(found.model, platform), taxonomy: ownTaxonomy === undefined ? itsTaxonomy : ownTaxonomy };
}

/** The files of a model that has a name; `undefined` for an address. */
function namedModel(name: string): ModelAssets | Promise<ModelAssets> | undefined {
  if (Object.hasOwn(models, name)) return models[name];
  if (Object.hasOwn(companions, name)) return companions[name]!();
  // A file's address has one of these, if only in front: './small'.
  if (/[./:\\]/.test(name)) return undefined;
  const names = [...Object.keys(models), ...Object.keys(companions)].join(', ');
  throw new PieError('not_found', `no model is named ${describe(name)}; the names are ${names}, other models are given by URL`);
}

function fromAsset({ path, bytes, sha256, url }: Asset, platform: Platform): RemoteFile {
  return { url: addressOf(path, url, platform), file: path.split('/').at(-1)!, bytes, sha256 };
}

function addressOf(path: string, url: () => URL, platform: Platform): URL {
  let own: URL | undefined;
  try {
    own = url();
  } catch {
    // A bundle without import.meta.url: the platform may find the file, or the error below tells what to do.
  }
  const found = platform.locate ? platform.locate(path, own) : own;
  if (found) return found;
  throw new PieError('not_found', `${path} is missing: ${NO_FILES}`);
}

/** An address, or a copy of the bytes. `check` sees the beginning before the rest is fetched or copied. */
function toSource(source: FileSource, what: string, platform: Platform, check?: RemoteFile['check']): Bytes | RemoteFile {
  if (source instanceof Uint8Array || source instanceof ArrayBuffer) {
    check?.(viewOf(source, what));
    return checkBytes(source, what);
  }
  if (typeof source !== 'string' && !(source instanceof URL)) {
    throw invalid(what, 'a string, a URL, an ArrayBuffer or a Uint8Array', source);
  }
  const url = source instanceof URL ? new URL(source) : platform.resolve(source);
  return { url, file: url.pathname.split('/').pop() || url.href, check };
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
      this.say('download');
    };
  }

  say(phase: LoadProgress['phase']): void {
    const files = [...this.#files.values()];
    const known = files.every(({ total }) => total !== undefined);
    try {
      this.#say({
        phase,
        loaded: files.reduce((sum, { loaded }) => sum + loaded, 0),
        total: known ? files.reduce((sum, { total }) => sum + total!, 0) : 0,
        file: this.#latest,
      });
    } catch (error) {
      // Ends this load only; another load may wait for the same download.
      this.#end.abort(error);
    }
  }
}
