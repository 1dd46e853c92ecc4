// Keeps the page for visits without a network: one cache a version of the page, filled whole or not at all.
importScripts('files.js');

const PREFIX = 'pie-demo ';
const CACHE = PREFIX + self.VERSION;

addEventListener('install', (event) => {
  // Past the HTTP cache, or files of two versions could come together.
  const fresh = self.FILES.map((file) => new Request(file, { cache: 'reload' }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(fresh)).then(() => self.skipWaiting()));
});

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
  if (!self.FILES.includes(path)) return;
  event.respondWith(caches.open(CACHE).then(async (cache) => (await cache.match(new URL(path, self.registration.scope))) ?? fetch(event.request)));
});
