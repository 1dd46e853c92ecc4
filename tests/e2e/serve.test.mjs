// The demo's server: what it hands out, and what it does not.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rm, symlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DEMO } from '../../www/build.mjs';
import { serve } from '../../www/serve.mjs';

let server, address;
before(async () => ({ server, address } = await serve()));
after(() => server.close());

// By hand, since clients tidy a path up before they send it.
const statusOf = (path, host = '') => new Promise((resolve, reject) => {
  const socket = connect(new URL(address).port, '127.0.0.1', () => socket.write(`GET ${path} HTTP/1.0\r\n${host && `Host: ${host}\r\n`}\r\n`));
  let answer = '';
  socket.on('data', (data) => (answer += data)).on('end', () => resolve(Number(answer.split(' ')[1]))).on('error', reject);
});

test('it serves the page and the package with their types and a strict policy', async () => {
  for (const [path, type] of [['', /^text\/html/], ['app.js', /^text\/javascript/], ['pkg/wasm/pie_embed_wasm_bg.wasm', /^application\/wasm$/]]) {
    const response = await fetch(address + path);
    assert.equal(response.status, 200, path);
    assert.match(response.headers.get('content-type'), type);
    assert.match(response.headers.get('content-security-policy'), /^default-src 'none'; script-src 'self' 'wasm-unsafe-eval';/);
    const etag = response.headers.get('etag');
    assert.equal((await fetch(address + path, { headers: { 'if-none-match': etag } })).status, 304);
    await response.body.cancel();
  }
  assert.equal((await fetch(address, { method: 'POST' })).status, 405);
});

test('no path leads out of its folders', async () => {
  for (const path of [
    '/../README.md', '/pkg/../package.json', '/%2e%2e/README.md', '/pkg/%2e%2e/package.json', '/..%2fREADME.md', '/..%5cREADME.md',
    '//etc/passwd', '/pkg//etc/passwd', '/file:///etc/passwd', '/pkg/file:/etc/passwd', '/%00', '/%', '/pkg', '/pkg/', '/.', '/pkg/models',
  ]) {
    assert.equal(await statusOf(path), 404, path);
  }
  assert.equal(await statusOf('/index.html?theme=dark'), 200);
});

test('no link leads out of its folder', async () => {
  const [outside, folder, inside] = ['outside.txt', 'outside', 'inside.css'].map((name) => join(DEMO, name));
  await symlink(fileURLToPath(new URL('../../README.md', import.meta.url)), outside);
  await symlink(fileURLToPath(new URL('../../pkg', import.meta.url)), folder);
  await symlink(join(DEMO, 'style.css'), inside);
  try {
    assert.equal(await statusOf('/outside.txt'), 404);
    assert.equal(await statusOf('/outside/package.json'), 404);
    assert.equal(await statusOf('/inside.css'), 200);
  } finally {
    await Promise.all([outside, folder, inside].map((link) => rm(link)));
  }
});

test('it answers to names of this machine, and to no other that leads here', async () => {
  for (const host of ['127.0.0.1', 'localhost', 'LOCALHOST:8080', '[::1]:8080', new URL(address).host]) assert.equal(await statusOf('/', host), 200, host);
  for (const host of ['rebind.example', 'rebind.example:8080', '127.0.0.1.example', 'localhost.example:80', '10.0.0.1']) assert.equal(await statusOf('/', host), 421, host);
});

test('a port that is taken is said in words', () => {
  const script = fileURLToPath(new URL('../../www/serve.mjs', import.meta.url));
  const run = (port) => spawnSync(process.execPath, [script, '--port', port], { encoding: 'utf8', timeout: 10_000 });
  const taken = run(new URL(address).port);
  assert.equal(taken.status, 1);
  assert.match(taken.stderr, /port \d+ is taken: name another with --port/);
  assert.match(run('http').stderr, /--port must be a number/);
});
