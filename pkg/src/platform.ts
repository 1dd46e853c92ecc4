import { invalid } from './argument.js';

/** What differs between the runtimes: how a reference becomes an address, and how an address is opened. */
export interface Platform {
  resolve(reference: string): URL;
  /** Whether loads at the same time may wait for one download. */
  sharesWork: boolean;
  /** Finds a file by its path in its package: at the given address, or elsewhere when a bundle was moved away from it. */
  locate?(path: string, address: URL | undefined): URL | undefined;
  open(url: URL, init: RequestInit): Promise<Response>;
}

export const web: Platform = {
  sharesWork: true,
  resolve(reference) {
    const base = globalThis.document?.baseURI ?? globalThis.location?.href;
    try {
      return new URL(reference, base);
    } catch {
      throw invalid('the address', 'a URL', reference);
    }
  },
  open: (url, init) => fetch(url, init),
};
