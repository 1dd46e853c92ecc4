// What axe-core says of a page as it stands, and whether it fits its screen.
import assert from 'node:assert/strict';
import axe from 'axe-core';

export async function check(page, state) {
  // Through the debugger: the page's own policy would refuse the script.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => axe.run());
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  assert.deepEqual(serious.map(({ id, nodes }) => `${state}: ${id} ${nodes.map(({ html }) => html)}`), []);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${state}: wider than the screen`);
}
