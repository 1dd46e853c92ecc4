// The command line, for tests that hold the package or a page to its answers.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const pie = fileURLToPath(new URL('../../target/release/pie', import.meta.url));

/** Why such a test cannot run, where it cannot. */
export const skip = existsSync(pie) ? false : 'target/release/pie is not built: ./build.sh cli makes it';

/** 360 instructions with their tasks. */
export const pool = fileURLToPath(new URL('../../examples/uses/instructions.jsonl', import.meta.url));

// What an earlier build kept may have been rounded otherwise.
const cache = mkdtempSync(join(tmpdir(), 'pie-cache-'));
process.on('exit', () => rmSync(cache, { recursive: true }));

/** What it prints. */
export function run(...args) {
  const env = { ...process.env, XDG_CACHE_HOME: cache };
  const { status, stdout, stderr } = spawnSync(pie, args, { encoding: 'utf8', maxBuffer: 1 << 26, env });
  assert.equal(status, 0, stderr);
  return stdout;
}

export const lines = (text) => text.trim().split('\n').map((line) => JSON.parse(line));
