import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import type { Page, Route } from 'playwright-core';
import { browserTest, openYard, untilState } from './kit.ts';
import type { BrowserYard } from './kit.ts';

/** What people were promised. */
const JUMP_WITHIN_MS = 1000;

let yard: BrowserYard | undefined;

beforeAll(async () => {
  yard = await openYard();
});

afterAll(async () => yard?.stop());

async function open(id: string, rest = ''): Promise<Page> {
  const { page } = await yard!.look(`/runs/${id}/log${rest}`);
  await page.waitForSelector('.log-scroll');
  return page;
}

/** What a task waits for; `open` lets it go on, and says when. */
function makeGate() {
  const path = join(mkdtempSync(join(tmpdir(), 'runyard-gate-')), 'go');
  return {
    wait: `until [ -e ${path} ]; do sleep 0.02; done`,
    open(): number {
      const at = Date.now();
      writeFileSync(path, '');
      return at;
    },
  };
}

const lineCount = (page: Page) =>
  page.$eval('[data-lines]', (element) => Number(element.getAttribute('data-lines')));
const untilLines = (page: Page, count: number) =>
  page.waitForFunction(
    (wanted) =>
      Number(document.querySelector('[data-lines]')?.getAttribute('data-lines')) >= wanted,
    count,
    { timeout: 60_000 },
  );
const shownLines = (page: Page) =>
  page.$$eval('.log-line', (all) => all.map((line) => Number(line.getAttribute('data-line'))));

browserTest('a million lines: few in the page, the end at once, one found', async () => {
  const [id] = await yard!.submit({
    argv: ['sh', '-c', "seq 1 1000000 | sed 's/^654321$/the marker/'"],
    outputBytesMax: 2 ** 26,
  });
  await untilState(yard!, id!, 'COMPLETE');
  const page = await open(id!);
  await untilLines(page, 1_000_000);
  expect(await lineCount(page)).toBe(1_000_000);
  const pressedAt = Date.now();
  await page.keyboard.press('End');
  await page.waitForSelector('[data-line="1000000"]');
  expect(Date.now() - pressedAt).toBeLessThan(JUMP_WITHIN_MS);
  expect((await shownLines(page)).length).toBeLessThan(200);
  expect(await page.locator('[data-line="1000000"] .log-text').innerText()).toBe('1000000');

  await page.keyboard.press('/');
  await page.keyboard.type('THE MARKER');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-matches="1"]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-line="654321"].is-found');
  expect(new URL(page.url()).searchParams.get('find')).toBe('THE MARKER');
  await page.context().close();
});

browserTest('a colour lasts until it is changed, and tags are text', async () => {
  const [id] = await yard!.submit({
    argv: [
      'sh',
      '-c',
      `seq 1 998; printf '\\033[31mred from here\\n1000 <img src=x onerror=alert(1)>\\nline 1001\\n\\033[0mplain\\n'`,
    ],
  });
  await untilState(yard!, id!, 'COMPLETE');
  const page = await open(id!, '?l=1001');
  const line = page.locator('[data-line="1001"]');
  await line.waitFor();
  expect(await line.getAttribute('class')).toContain('is-linked');
  expect(await line.locator('.fg-1').innerText()).toBe('line 1001');
  expect(await page.locator('[data-line="1000"]').innerText()).toContain(
    '<img src=x onerror=alert(1)>',
  );
  expect(await page.locator('.log-text img').count()).toBe(0);
  await page.context().close();
});

browserTest('a click on a number is an address, and with Shift it is all from there', async () => {
  const [id] = await yard!.submit({ argv: ['seq', '1', '30'] });
  await untilState(yard!, id!, 'COMPLETE');
  const page = await open(id!);
  await untilLines(page, 30);
  await page.locator('[data-line="5"] .log-number').click();
  await page.locator('[data-line="8"] .log-number').click({ modifiers: ['Shift'] });
  expect(new URL(page.url()).searchParams.get('l')).toBe('5-8');
  expect(await page.locator('.log-line.is-linked').count()).toBe(4);
  await page.context().close();
});

browserTest('e leads from error to error, and back', async () => {
  const [id] = await yard!.submit({
    argv: ['sh', '-c', 'seq 1 500; echo "Error: one"; seq 1 500; echo "an ERROR too"; seq 1 500'],
  });
  await untilState(yard!, id!, 'COMPLETE');
  const page = await open(id!);
  await untilLines(page, 1502);
  await page.keyboard.press('Home');
  for (const [key, line] of [
    ['e', 501],
    ['e', 1002],
    ['Shift+E', 501],
  ] as const) {
    await page.keyboard.press(key);
    await page.waitForSelector(`[data-line="${line}"].is-found`);
  }
  await page.context().close();
});

browserTest('it follows, stops for who scrolls up, and goes on with f', async () => {
  const [id] = await yard!.submit({
    argv: ['sh', '-c', 'seq 1 200; while :; do echo more; sleep 0.1; done'],
  });
  await untilState(yard!, id!, 'executing');
  const page = await open(id!);
  await untilLines(page, 205);
  const isAtEnd = () =>
    page.$eval(
      '.log-scroll',
      ({ scrollTop, clientHeight, scrollHeight }) => scrollTop + clientHeight >= scrollHeight - 60,
    );
  expect(await isAtEnd()).toBe(true);
  await page.locator('.log-scroll').hover();
  await page.mouse.wheel(0, -1500);
  await page.locator('.log-new').waitFor();
  const stays = await shownLines(page);
  await untilLines(page, (await lineCount(page)) + 10);
  expect(await shownLines(page)).toEqual(stays);
  expect(await page.locator('.log-new').innerText()).toMatch(/new lines/);
  await page.keyboard.press('f');
  await page.locator('.log-new').waitFor({ state: 'detached' });
  expect(await isAtEnd()).toBe(true);
  await yard!.client.abortRun(id!, 'test over');
  await page.context().close();
});

browserTest('a line that comes after a long silence is shown', async () => {
  const [id] = await yard!.submit({
    argv: ['sh', '-c', 'echo first; sleep 30; echo second; sleep 60'],
  });
  await untilState(yard!, id!, 'executing');
  const page = await open(id!);
  await untilLines(page, 1);
  await untilLines(page, 2);
  expect(await page.locator('[data-line="2"] .log-text').innerText()).toBe('second');
  await yard!.client.abortRun(id!, 'test over');
  await page.context().close();
});

browserTest('w wraps long lines, and the last of them can be seen to its end', async () => {
  const [id] = await yard!.submit({
    argv: ['sh', '-c', 'for i in $(seq 1 300); do printf "%d %0900d end\\n" $i 0; done; echo last'],
  });
  await untilState(yard!, id!, 'COMPLETE');
  const page = await open(id!);
  await untilLines(page, 301);
  const heightOf = (line: number) =>
    page.$eval(`[data-line="${line}"]`, (element) => element.getBoundingClientRect().height);
  await page.keyboard.press('Home');
  await page.waitForSelector('[data-line="1"]');
  expect(await heightOf(1)).toBe(20);
  await page.keyboard.press('w');
  await page.waitForSelector('.is-wrapped');
  expect(await heightOf(1)).toBeGreaterThan(60);
  const isInSight = (line: number) =>
    page.$eval(`[data-line="${line}"]`, (element) => {
      const box = element.getBoundingClientRect();
      const view = element.closest('.log-scroll')!.getBoundingClientRect();
      return box.top >= view.top - 1 && box.bottom <= view.bottom + 1;
    });
  expect(await isInSight(1)).toBe(true);
  const width = await page.$eval('.log-scroll', ({ scrollWidth, clientWidth }) => [
    scrollWidth,
    clientWidth,
  ]);
  expect(width[0]).toBe(width[1]);
  await page.keyboard.press('End');
  await page.waitForSelector('[data-line="301"]');
  expect(await isInSight(301)).toBe(true);
  expect(await isInSight(300)).toBe(true);
  await page.keyboard.press('w');
  await page.waitForSelector('.is-wrapped', { state: 'detached' });
  await page.context().close();
});

browserTest('t shows when each line was written, and the address keeps it', async () => {
  const gate = makeGate();
  const [id] = await yard!.submit({
    argv: ['sh', '-c', `echo one; ${gate.wait}; printf "\\033[31mtwo\\n"; sleep 600`],
  });
  const page = await open(id!);
  await untilLines(page, 1);
  const openedAt = gate.open();
  await untilLines(page, 2);
  expect(await page.locator('.log-time').count()).toBe(0);
  const times = page.locator('.log-time time');
  const shownMs = async () => {
    await times.nth(1).waitFor();
    const texts = await times.allInnerTexts();
    for (const text of texts) expect(text).toMatch(/^\d\d:\d\d:\d\d\.\d\d\d$/);
    return times.evaluateAll((all) =>
      all.map((time) => Date.parse(time.getAttribute('datetime')!)),
    ) as Promise<[number, number]>;
  };
  await page.keyboard.press('t');
  const shown = await shownMs();
  expect(shown[0]).toBeLessThanOrEqual(openedAt);
  expect(shown[1]).toBeGreaterThanOrEqual(openedAt);
  expect(await page.locator('[data-line="2"] .fg-1').innerText()).toBe('two');
  expect(new URL(page.url()).searchParams.get('times')).toBe('1');
  expect(await page.getByRole('button', { name: 'Times' }).getAttribute('aria-pressed')).toBe(
    'true',
  );

  await page.reload();
  expect(await shownMs()).toEqual(shown);
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await times.first().innerText()).toMatch(/^\d\d:\d\d:\d\d$/);
  const left = await page.$eval(
    '[data-line="1"] .log-text',
    (element) => element.getBoundingClientRect().x,
  );
  expect(left).toBeLessThan(160);
  await page.keyboard.press('t');
  await times.first().waitFor({ state: 'detached' });
  expect(new URL(page.url()).searchParams.get('times')).toBeNull();
  await yard!.client.abortRun(id!, 'test over');
  await page.context().close();
});

browserTest('a line has no time before the master has told it', async () => {
  const gate = makeGate();
  const [id] = await yard!.submit({
    argv: ['sh', '-c', `echo one; ${gate.wait}; echo two; sleep 600`],
  });
  const page = await open(id!, '?times=1');
  const timeOf = (line: number) => page.locator(`[data-line="${line}"] time`);
  await timeOf(1).waitFor();
  let hold!: (route: Route) => void;
  const held = new Promise<Route>((resolve) => {
    hold = resolve;
  });
  await page.route(/\/times\?/, hold, { times: 1 });
  const openedAt = gate.open();
  const route = await held;
  await page.waitForSelector('[data-line="2"]');
  expect(await timeOf(1).count()).toBe(1);
  expect(await timeOf(2).count()).toBe(0);
  await route.continue();
  const told = await timeOf(2).getAttribute('datetime');
  expect(Date.parse(told!)).toBeGreaterThanOrEqual(openedAt);
  await yard!.client.abortRun(id!, 'test over');
  await page.context().close();
});

browserTest('the times of a million lines are those of the lines in sight', async () => {
  const gate = makeGate();
  const [id] = await yard!.submit({
    argv: ['sh', '-c', `seq 1 1000000; ${gate.wait}; echo last`],
    outputBytesMax: 2 ** 26,
  });
  const page = await open(id!, '?times=1');
  await untilLines(page, 1_000_000);
  // What comes in the last second before the end has the time of the end.
  await page.waitForTimeout(1_100);
  const openedAt = gate.open();
  await untilState(yard!, id!, 'COMPLETE');
  await untilLines(page, 1_000_001);
  const timeOf = async (line: number) => {
    const time = page.locator(`[data-line="${line}"] time`);
    await time.waitFor();
    return Date.parse((await time.getAttribute('datetime'))!);
  };
  await page.keyboard.press('Home');
  const first = await timeOf(1);
  await page.keyboard.press('End');
  const [late, last] = [await timeOf(1_000_000), await timeOf(1_000_001)];
  expect(late).toBeGreaterThanOrEqual(first);
  expect(late).toBeLessThanOrEqual(openedAt);
  expect(last).toBeGreaterThanOrEqual(openedAt);
  expect((await shownLines(page)).length).toBeLessThan(200);
  await page.context().close();
});
