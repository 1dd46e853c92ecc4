// "What do you use AI for?": counts by the times of prompts.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as usage from '../../www/page/usage.js';

process.env.TZ = 'UTC';

const row = (time, { conversation = null, model = null } = {}) => ({ time, conversation, model });
const tag = (label) => ({ label, name: label.replaceAll('-', ' ') });

describe('usage over time', () => {
  test('rows without a time, or with one that is none, are not counted', () => {
    const times = usage.timesOf({ rows: [row('2025-01-31T23:30:00Z'), row(null), row('yesterday'), row('2025-02-01')] });
    assert.deepEqual(times.map(({ row }) => row), [0, 3]);
  });

  test('months stand in order and without gaps; many months become longer periods', () => {
    const tags = ['a', 'b', 'a'].map(tag);
    const months = (...dates) => usage.periodsOf(usage.timesOf({ rows: dates.map((date) => row(date)) }), tags);
    assert.deepEqual(months('2025-02-10', '2024-12-31', '2025-02-20').map(({ name, counts }) => [name, [...counts]]),
      [['Dec 2024', [['b', 1]]], ['Jan 2025', []], ['Feb 2025', [['a', 2]]]]);
    assert.deepEqual(months('2016-05-01', '2025-02-10').length, 36);
    assert.deepEqual(months('1990-05-01', '1991-05-01', '2025-02-10').slice(0, 2).map(({ name }) => name), ['1990', '1991']);
    assert.ok(months('0001-01-01', '9999-12-31').length <= 101);
  });

  test('hours by weekday, Monday first', () => {
    const week = usage.hoursOf(usage.timesOf({ rows: [row('2025-09-01T05:59:00Z'), row('2025-09-07T23:00:00Z'), row('2025-09-07T23:59:59Z')] }));
    assert.deepEqual([week[0][5], week[6][23], week.flat().reduce((a, b) => a + b)], [1, 2, 3]);
  });

  test('models and threads, most first; a thread of one turn is none', () => {
    const rows = [row('', { conversation: 'x', model: 'm' }), row('', { conversation: 'y' }), row('', { conversation: 'y', model: 'n' }),
      row('', { model: 'n' })];
    assert.deepEqual(usage.modelsOf({ rows }), [{ name: 'n', count: 2 }, { name: 'm', count: 1 }]);
    assert.deepEqual(usage.threadsOf({ rows }), [{ row: 1, count: 2 }]);
  });

  test('requests that repeat, but for case and the mark at the end; greetings are left out', () => {
    const texts = ['Thanks!', 'Write a poem', 'thanks', 'write a poem. ', 'Write a song', 'Thanks'];
    assert.deepEqual(usage.repeatedOf({ texts }), [{ row: 1, count: 2 }]);
  });

  test('kinds of the last month that no earlier one has', () => {
    const kinds = ['write-poem', 'chat', 'chat', 'fix-code', 'unknown'].map(tag);
    const of = (...dates) => usage.newKindsOf(usage.timesOf({ rows: dates.map((date) => row(date)) }), kinds);
    assert.deepEqual(of('2025-01-01', '2025-01-02', '2025-03-01', '2025-03-02', '2025-03-03'),
      { month: 'Mar 2025', kinds: [{ name: 'fix code', count: 1 }] });
    assert.deepEqual(of('2025-03-01', '2025-03-02').kinds, []);
  });
});
