import { afterAll, beforeAll, expect } from 'vitest';
import { PAGE_ROOTS } from '../../src/api/page.ts';
import { browserTest, openYard, untilState, violations } from './kit.ts';
import type { BrowserYard } from './kit.ts';

let yard: BrowserYard | undefined;
let paths: string[] = [];

beforeAll(async () => {
  yard = await openYard({ slaves: 2 });
  if (!yard) return;
  const [ended, running, , pending, failed] = await yard.submit(
    {
      argv: ['sh', '-c', 'printf "\\033[31mred\\033[0m\\n"; exit 1'],
      retries: 1,
      retry: { backoffMs: 100 },
    },
    { argv: ['sleep', '600'], name: 'a long one' },
    { argv: ['true'], held: true },
    { argv: ['true'], arch: 's390x' },
    { argv: ['/no/such/program'] },
  );
  await untilState(yard, ended!, 'COMPLETE');
  await untilState(yard, failed!, 'FAILED');
  await untilState(yard, running!, 'executing');
  await yard.client.drainSlave('s2', { note: 'new kernel' });
  const tabs = ['timeline', 'log', 'machine', 'events', 'results', 'raw'];
  paths = [
    '/',
    '/runs',
    ...tabs.map((tab) => `/runs/${ended}/${tab}`),
    `/runs/${ended}/log?times=1`,
    `/runs/${running}/machine`,
    `/runs/${pending}`,
    '/slaves',
    '/slaves/s1',
    '/machines',
    '/machines/slave',
    '/actors',
    '/messages',
    '/time',
    '/system',
    '/import',
    '/runs/x/no/such/page',
  ];
});

afterAll(async () => yard?.stop());

for (const theme of ['light', 'dark'] as const) {
  browserTest(
    `no page asks another host, breaks its policy, throws, or keeps people out: ${theme}`,
    async () => {
      const context = await yard!.browser.newContext({
        viewport: { width: 1360, height: 860 },
        colorScheme: theme,
      });
      const found: unknown[] = [];
      for (const path of paths) {
        const { page, faults } = await yard!.look(path, { context });
        await page.waitForSelector('main h1, main .panel');
        await page.waitForTimeout(600);
        const bad = [...faults, ...(await violations(page))];
        if (bad.length > 0) found.push({ path, bad });
        await page.close();
      }
      await context.close();
      expect(found).toEqual([]);
    },
  );
}

browserTest('every page fits a phone', async () => {
  const context = await yard!.browser.newContext({ viewport: { width: 390, height: 844 } });
  const wide: string[] = [];
  for (const path of paths) {
    const { page } = await yard!.look(path, { context });
    await page.waitForSelector('main h1, main .panel');
    await page.waitForTimeout(300);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) wide.push(`${path} by ${over}`);
    await page.close();
  }
  await context.close();
  expect(wide).toEqual([]);
});

browserTest('what the bar leads to is served at its own address, too', async () => {
  const { page } = await yard!.look('/');
  await page.waitForSelector('nav a');
  const links = await page.$$eval('nav[aria-label="Pages"] a', (all) =>
    all.map((link) => new URL((link as HTMLAnchorElement).href).pathname),
  );
  expect(links.map((path) => path.slice(1)).sort()).toEqual([...PAGE_ROOTS].sort());
  await page.context().close();
});

browserTest('a program that asks for / is told where to look, as before', async () => {
  const answer = await fetch(`${yard!.url}/`);
  expect(answer.headers.get('content-type')).toContain('text/plain');
  expect(await answer.text()).toContain('/api/openapi.json');
});

browserTest('the scripts that a first look loads are few', async () => {
  const sizes: Record<string, number> = {};
  for (const path of paths) {
    // Gzip is what a browser gets, and what it says that it got.
    const { page } = await yard!.look(path);
    await page.waitForSelector('main h1, main .panel');
    await page.waitForTimeout(300);
    sizes[path] = await page.evaluate(() =>
      performance
        .getEntriesByType('resource')
        .filter(({ name }) => name.endsWith('.js'))
        .reduce((sum, entry) => sum + (entry as PerformanceResourceTiming).encodedBodySize, 0),
    );
    await page.context().close();
  }
  const machine = Object.entries(sizes).filter(([path]) => path.endsWith('/machine'));
  for (const [path, bytes] of machine) expect(bytes, path).toBeLessThan(30 * 1024);
  for (const [path, bytes] of Object.entries(sizes)) expect(bytes, path).toBeLessThan(100_000);
});
