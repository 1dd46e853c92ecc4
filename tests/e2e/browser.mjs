// A headless Chromium and the demo page's server, shared by the tests of one file.
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';
import { serve } from '../../www/serve.mjs';

export const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';

export const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

export function launch(flags = []) {
  return chromium.launch({ executablePath, args: [...FLAGS, ...flags] });
}

// Leaves the memory of the wasm that a thread sets up in its `memory`.
const REMEMBER = `{
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async (...given) => {
    const instance = await instantiate(...given);
    globalThis.memory = instance.exports.memory;
    return instance;
  };
}
`;

// What the tests of insecure contexts have the browser find here.
const HOSTS = ['insecure.test'];

/** Starts both before a file's tests and ends them after; `here.page()` opens a fresh page with its own cache. */
export function withBrowser(flags) {
  const here = {};
  before(async () => {
    here.browser = await launch(flags);
    Object.assign(here, await serve(0, { hosts: HOSTS }));
  });
  after(async () => {
    await here.browser?.close();
    here.server?.closeAllConnections();
    here.server?.close();
  });

  here.page = async (options) => tab(await here.browser.newContext(options));

  async function tab(context) {
    const page = await context.newPage();
    page.requests = [];
    page.complaints = [];
    // Of the context, not the page: a worker's requests count too.
    context.on('request', (request) => page.requests.push(request.url()));
    page.on('console', (message) => message.type() === 'error' && page.complaints.push(message.text()));
    page.on('pageerror', (error) => page.complaints.push(error.message));
    return page;
  }

  /** The demo page, with what its policy refused in `violations`. */
  here.demo = async (options) => {
    const page = await here.page(options);
    // Hundreds of prompts are tagged and mapped, perhaps by a machine that has other things to do.
    page.setDefaultTimeout(90_000);
    await page.addInitScript(() => {
      globalThis.violations = [];
      addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => violations.push(`${violatedDirective} ${blockedURI}`));
    });
    return page;
  };

  /** A page of the server's origin with the package at hand and nothing loaded yet; one more of `context` shares its storage. */
  here.blank = async ({ entry = 'index.js', host = here.address, context } = {}) => {
    const page = context ? await tab(context) : await here.page();
    // A text file: a document of the server's origin and under its policy, with nothing in it.
    await page.goto(`${host}style.css`);
    await page.evaluate(async (entry) => Object.assign(globalThis, await import(`/pkg/${entry}`)), entry);
    return page;
  };

  /** Before an engine is loaded in the page: what tells how many bytes its memory has, in its worker where it has one. */
  here.wasmBytes = async (page) => {
    await page.evaluate(REMEMBER);
    await page.route('**/pkg/worker.js', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: REMEMBER + await response.text() });
    });
    return () => (page.workers()[0] ?? page).evaluate(() => globalThis.memory?.buffer.byteLength ?? 0);
  };

  /** An empty page of the server's origin, under a policy of its own. */
  here.under = async (policy) => {
    const page = await here.page();
    await page.route('**/blank', (route) => route.fulfill({
      contentType: 'text/html',
      headers: { 'content-security-policy': policy },
      body: '<!doctype html><title>strict</title>',
    }));
    await page.goto(`${here.address}blank`);
    return page;
  };
  return here;
}
