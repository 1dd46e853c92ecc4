import { type Analysis, analyse, type Step } from './analysis.js';
import { type Call, Given, Host } from './call.js';
import { lend } from './content.js';
import { makeEngine } from './engine.js';
import { PieError } from './error.js';
import { load } from './load.js';
import type { Platform } from './platform.js';
import type { LoadOptions, ModelInfo } from './types.js';

/** What gets calls answered: an engine on this thread, or workers. */
export interface Runner {
  readonly info: ModelInfo;
  /** The calls' answers, in their order; `answered` hears of each. An abort rejects with the signal's reason. */
  run(calls: Call[], signal: AbortSignal, answered: (call: Call) => void): Promise<unknown[]>;
  /** The analysis' answer, as what `Findings` says of its method. */
  analyse(analysis: Analysis, signal: AbortSignal, step: Step): Promise<unknown>;
  /** Frees what was made under this number. */
  forget(id: number): void;
  free(): void;
}

/** Loads an engine onto the caller's own thread. */
export function loadHere(options: LoadOptions | undefined, platform: Platform): Promise<Runner> {
  return load(options, platform, ({ device, onFallback }) => async (files) => {
    if (device !== 'wasm') {
      const error = new PieError('no_webgpu', 'the GPU works from a worker: load the package by its main entry, in a page or in a worker');
      if (device === 'webgpu') throw error;
      onFallback?.(error);
    }
    const engine = await lend(files, makeEngine);
    const host = new Host(engine);
    const given = new Given();
    return {
      info: { ...engine.info(), device: 'wasm' },
      analyse: async (analysis, _, step) => analyse(analysis, step),
      forget: (id) => host.forget(id),
      free: () => host.free(),
      async run(calls, signal, answered) {
        const answers: unknown[] = [];
        for (const call of calls) {
          if (answers.length > 0) await nextTask();
          signal.throwIfAborted();
          const sent = given.toSend(call);
          answers.push(host.answer(sent));
          given.answered(sent);
          answered(call);
        }
        return answers;
      },
    };
  });
}

// A message, not a timer: timers are slowed down to one a second in a tab that is not seen.
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    // Vercel's edge runtime has timers alone, and so has workerd with a compatibility date before August 2025.
    if (typeof MessageChannel !== 'function') return setTimeout(resolve);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
