// The command line, for tests that hold the package or a page to its answers.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const pie = fileURLToPath(new URL('../../target/release/pie', import.meta.url));

/** Why such a test cannot run, where it cannot. */
export const skip = existsSync(pie) ? false : 'target/release/pie is not built: ./build.sh cli makes it';

/** 360 instructions with their tasks. */
export const pool = fileURLToPath(new URL('../../examples/uses/instructions.jsonl', import.meta.url));

/** What it prints. */
export function run(...args) {
  const { status, stdout, stderr } = spawnSync(pie, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  assert.equal(status, 0, stderr);
  return stdout;
}

export const lines = (text) => text.trim().split('\n').map((line) => JSON.parse(line));
