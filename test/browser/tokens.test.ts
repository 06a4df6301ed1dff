import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { browserTest, openYard } from './kit.ts';

browserTest('a master that asks for tokens is asked with the one that is typed', async () => {
  // Beyond loopback, so that it does ask.
  const yard = (await openYard({ slaves: 0, master: ['--host', '0.0.0.0', '--insecure'] }))!;
  try {
    const { page } = await yard.look('/runs');
    const field = page.getByLabel('Token');
    await field.fill('wrong');
    await page.keyboard.press('Enter');
    await page.locator('.fault', { hasText: 'auth.' }).waitFor();
    await field.waitFor();

    const token = readFileSync(join(yard.root, 'state', 'admin.token'), 'utf8').trim();
    await field.fill(token);
    await page.keyboard.press('Enter');
    await page.locator('.empty', { hasText: 'No run fits' }).waitFor();
    await page.waitForSelector('[data-live="true"]');
    expect(await field.count()).toBe(0);
    // It is in no address, which histories and logs would keep.
    expect(page.url()).not.toContain(token);
    await page.reload();
    await page.waitForSelector('[data-live="true"]');
  } finally {
    await yard.stop();
  }
});
