// Keeps the page for visits without a network: one cache a version of the page, filled whole or not at all.
importScripts('files.js');

const PREFIX = 'pie-demo ';
const CACHE = PREFIX + self.VERSION;

addEventListener('install', (event) => {
  event.waitUntil(install().then(() => self.skipWaiting()));
});

/** Fetches and verifies all files before it keeps any: a wrong file would be served until the next version. */
async function install() {
  const responses = await Promise.all(Object.keys(self.FILES).map(fetchFile));
  const cache = await caches.open(CACHE);
  await Promise.all(responses.map(([file, response]) => cache.put(file, response)));
}

async function fetchFile(file) {
  // Past the HTTP cache, or files of two versions could come together.
  const response = await fetch(new Request(file, { cache: 'reload' }));
  if (!response.ok) throw new Error(`${file} came with the status ${response.status}`);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await response.clone().arrayBuffer()));
  const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (sha256 !== self.FILES[file]) throw new Error(`${file} has sha256 ${sha256}, not ${self.FILES[file]} as it was built: the next visit asks again`);
  return [file, response];
}

addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
    }
    await self.clients.claim();
  })());
});

addEventListener('fetch', (event) => {
  if (event.request.method !== 'GET') return;
  // What is not of the page, such as the model, is the package's own affair.
  const path = event.request.url.split(/[?#]/, 1)[0].slice(self.registration.scope.length) || './';
  if (!Object.hasOwn(self.FILES, path)) return;
  event.respondWith(caches.open(CACHE).then(async (cache) => (await cache.match(new URL(path, self.registration.scope))) ?? fetch(event.request)));
});
