import { find, keep } from './cache.js';
import { Host, optionsOf, type SentCall, withRequests } from './call.js';
import type { Engine, EngineEmbedOptions } from './engine.js';
import { fromEngine, PieError } from './error.js';
import type { Embeddings, TextOrChat } from './types.js';
import init, { GpuEngine } from './wasm-gpu/pie_embed_wasm_gpu.js';

// Texts that are measured with: short instructions, as the most are.
const PROBE = 'Write a short and friendly message to the team about the plan for next week';
const ENGINE_TEXTS = 8;
const GPU_TEXTS = [16, 64, 256];

// Less is no rounding: a driver computes something else.
const LEAST_COSINE = 0.95;

/** The encoder on the GPU, with the types that its generated declarations leave open. */
export interface Gpu {
  encode(ids: Uint32Array, lengths: Uint32Array, dimensions: number, normalize: boolean): Promise<Float32Array>;
  free(): void;
}

/** What a browser says of the adapter that the engine gets: some leave all but two of these empty, or have none of them. */
export type AdapterInfo = Partial<Record<'vendor' | 'architecture' | 'device' | 'description', string>>;

/** Sets the encoder up without a model, and looks for the adapter; `no_webgpu` where there is none. */
export async function findGpu(module: WebAssembly.Module): Promise<AdapterInfo> {
  if (!('gpu' in navigator)) throw new PieError('no_webgpu', 'this browser has no WebGPU, or it is switched off');
  await init({ module_or_path: module });
  const { gpu } = navigator as unknown as { gpu: { requestAdapter(wish: object): Promise<{ info?: AdapterInfo } | null> } };
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new PieError('no_webgpu', 'this browser has WebGPU, and no GPU for it');
  return adapter.info ?? {};
}

/** Sets the model up on the GPU; `no_webgpu` where that has no room for it. */
export async function makeGpu({ vendor }: AdapterInfo, model: Uint8Array): Promise<Gpu> {
  try {
    return (await GpuEngine.load(model, vendor === 'nvidia')) as Gpu;
  } catch (error) {
    throw fromEngine(error);
  }
}

/** The engine with its encoder on the GPU: what it takes is tokenized, and what it gives is judged, by the engine on the CPU. */
export class GpuHost {
  readonly engine: Engine;
  readonly #gpu: Gpu;
  readonly #host: Host;

  constructor(engine: Engine, gpu: Gpu) {
    this.engine = engine;
    this.#gpu = gpu;
    this.#host = new Host(engine);
  }

  async answer(call: SentCall): Promise<unknown> {
    try {
      if (call.method === 'embed') return await this.embed(call.input, call.options);
      const options = optionsOf(call);
      const { input } = call;
      if (!options || !Array.isArray(input) || input.length === 0) return this.#host.answer(call);
      const whole = withRequests(this.engine, call);
      const { data, dims, unread } = await this.embed(whole.input as TextOrChat[], options);
      return this.#host.answer({ ...whole, input: { data, dims, unread } } as SentCall);
    } catch (error) {
      throw fromEngine(error);
    }
  }

  async embed(texts: TextOrChat[], options: EngineEmbedOptions): Promise<Embeddings> {
    const { ids, lengths, truncated, unread, dimensions, normalize, pooled } = this.engine.tokenize(texts, options);
    const given = await this.#gpu.encode(ids, lengths, dimensions, normalize);
    const data = pooled ? this.engine.finish(given, options) : given;
    return { data, dims: [texts.length, data.length / texts.length], truncated, unread };
  }

  forget(id: number): void {
    this.#host.forget(id);
  }
}

/** Refuses a GPU that gives other vectors than the engine. */
export async function prove(host: GpuHost): Promise<void> {
  const { data } = host.engine.embed([PROBE], {});
  const own = (await host.embed([PROBE], {})).data;
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, at) => sum + x * b[at]!, 0);
  const cosine = dot(data, own) / Math.sqrt(dot(data, data) * dot(own, own));
  if (!(cosine >= LEAST_COSINE)) {
    throw new PieError('gpu_failed', `the GPU computes other vectors: their cosine to the engine's is ${cosine}`);
  }
}

/** From how many texts at once on the GPU is faster; 0 where it never is. Measured once an adapter, model and version. */
export async function fasterFrom(host: GpuHost, { vendor, architecture, device, description }: AdapterInfo): Promise<number> {
  const { engine } = host;
  const { sha256, version } = engine.info();
  const key = `webgpu/${version}/${sha256}/${encodeURIComponent([vendor, architecture, device, description].join(' '))}`;
  const known = Number(new TextDecoder().decode(await find(key)) || NaN);
  if (known === 0 || GPU_TEXTS.includes(known)) return known;
  const ms = async (texts: number, embed: (texts: string[]) => unknown) => {
    const batch = Array<string>(texts).fill(PROBE);
    // The first time pays for what is set up on demand.
    await embed(batch);
    const start = performance.now();
    await embed(batch);
    return performance.now() - start;
  };
  const engineMs = (await ms(ENGINE_TEXTS, (texts) => engine.embed(texts, {}))) / ENGINE_TEXTS;
  let from = 0;
  let gpuMs = 0;
  for (const texts of GPU_TEXTS) {
    // More texts take no less: one that is hopeless is not asked for them.
    if (from > 0 || gpuMs >= engineMs * texts) break;
    gpuMs = await ms(texts, (texts) => host.embed(texts, {}));
    if (gpuMs < engineMs * texts) from = texts;
  }
  await keep(key, new TextEncoder().encode(String(from)));
  return from;
}
