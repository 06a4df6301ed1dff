import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import type { Page } from 'playwright-core';
import { chartOf } from '../../src/machines/chart.ts';
import { runMachine } from '../../src/machines/run.ts';
import { browserTest, openYard, untilState } from './kit.ts';
import type { BrowserYard } from './kit.ts';

/** Limits that people were promised. */
const SHOWN_WITHIN_MS = 500;
const BACK_WITHIN_MS = 5000;

let yard: BrowserYard | undefined;

beforeAll(async () => {
  yard = await openYard({ lease: '3s' });
});

afterAll(async () => yard?.stop());

const activeOf = (page: Page) =>
  page.$$eval('[data-state][data-active]', (all) =>
    all.map((state) => state.getAttribute('data-state')),
  );
const stepOf = (page: Page) => page.getAttribute('[data-step]', 'data-step');
const contextOf = (page: Page) => page.locator('dl.context').innerText();

async function open(id: string, rest = ''): Promise<Page> {
  const { page } = await yard!.look(`/runs/${id}/machine${rest}`);
  await page.waitForSelector('[data-state][data-active]');
  return page;
}

browserTest('one leaf is active, the one that the API says', async () => {
  const [id] = await yard!.submit({ argv: ['sleep', '600'] });
  await untilState(yard!, id!, 'executing');
  const page = await open(id!);
  const { state, substate } = await yard!.client.getRun(id!);
  expect(await activeOf(page)).toEqual([`${state}.${substate}`]);
  await yard!.client.abortRun(id!, 'test over');
  await page.context().close();
});

browserTest('an end shows within half a second, without a reload', async () => {
  const gate = join(mkdtempSync(join(tmpdir(), 'runyard-gate-')), 'go');
  const [id] = await yard!.submit({
    argv: ['sh', '-c', `while [ ! -e ${gate} ]; do sleep 0.02; done; exit 0`],
  });
  await untilState(yard!, id!, 'executing');
  const page = await open(id!);
  await page.evaluate(() => {
    Object.assign(globalThis, { sameDocument: true });
    new MutationObserver((_, observer) => {
      if (!document.querySelector('[data-state="COMPLETE"][data-active]')) return;
      observer.disconnect();
      Object.assign(globalThis, { completeAt: Date.now() });
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
  });
  writeFileSync(gate, '');
  await page.waitForSelector('[data-state="COMPLETE"][data-active]');
  const { state, exitCode, finishedAt } = await yard!.client.getRun(id!);
  expect([state, exitCode]).toEqual(['COMPLETE', 0]);
  const shownAt = await page.evaluate(
    () => (globalThis as unknown as { completeAt: number }).completeAt,
  );
  // Both clocks are this machine's.
  expect(shownAt - Date.parse(finishedAt!)).toBeLessThan(SHOWN_WITHIN_MS);
  expect(await page.evaluate(() => 'sameDocument' in globalThis)).toBe(true);
  expect(await page.locator('.run-head .badge').innerText()).toContain('COMPLETE');
  await page.context().close();
  rmSync(dirname(gate), { recursive: true, force: true });
});

browserTest('an address that was copied shows the same step, state and context', async () => {
  const [id] = await yard!.submit({
    argv: ['sh', '-c', 'exit 1'],
    retries: 2,
    retry: { backoffMs: 50 },
  });
  await untilState(yard!, id!, 'COMPLETE');
  const page = await open(id!);
  for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowLeft');
  const there = [await stepOf(page), await activeOf(page), await contextOf(page)];
  expect(there[0]).toBe(String((await yard!.client.history(id!)).length - 4));
  const other = await open(id!, new URL(page.url()).search);
  expect([await stepOf(other), await activeOf(other), await contextOf(other)]).toEqual(there);
  await page.context().close();
  await other.context().close();
});

browserTest('events leave the viewed step alone, and one press is back to live', async () => {
  const [id] = await yard!.submit({ argv: ['true'], held: true, labels: { no: 'such' } });
  const page = await open(id!);
  await page.keyboard.press('Home');
  const address = page.url();
  const stood = [await activeOf(page), await contextOf(page)];
  const before = (await yard!.client.history(id!)).length;
  for (let i = 0; i < 25; i++) {
    await yard!.client.releaseRun(id!);
    await yard!.client.holdRun(id!, String(i));
  }
  const count = (await yard!.client.history(id!)).length;
  expect(count - before).toBe(50);
  await page.waitForFunction(
    (all) => document.querySelector('[data-step]')?.textContent?.includes(`/${all} `),
    count,
  );
  expect(await stepOf(page)).toBe('1');
  expect([await activeOf(page), await contextOf(page)]).toEqual(stood);
  expect(page.url()).toBe(address);
  await page.getByRole('button', { name: 'Back to live' }).click();
  expect(await stepOf(page)).toBe(String((await yard!.client.history(id!)).length));
  await page.context().close();
});

browserTest('every transition of the machine is drawn, each once', async () => {
  const [id] = await yard!.submit({ argv: ['true'], held: true });
  const page = await open(id!);
  const drawn = await page.$$eval('[data-transitions]', (all) =>
    all.flatMap((arrow) => arrow.getAttribute('data-transitions')!.split(' ')),
  );
  const { transitions } = chartOf(runMachine);
  expect(drawn.map(Number).sort((a, b) => a - b)).toEqual(transitions.map((_, id) => id));
  await page.context().close();
});

browserTest(
  'the machine can be read on a desk and on a phone, where the run stands in sight',
  async () => {
    const [id] = await yard!.submit({ argv: ['true'] });
    await untilState(yard!, id!, 'COMPLETE');
    for (const [width, height] of [
      [1360, 860],
      [390, 844],
    ] as const) {
      const { page } = await yard!.look(`/runs/${id}/machine`, { width, height });
      await page.waitForSelector('[data-state="COMPLETE"][data-active]');
      const sizesOf = (selector: string) =>
        page.$$eval(selector, (all) =>
          all.map(
            (text) =>
              Number.parseFloat(getComputedStyle(text).fontSize) *
              (text as SVGTextElement).getScreenCTM()!.a,
          ),
        );
      expect(Math.min(...(await sizesOf('[data-state] > text')))).toBeGreaterThanOrEqual(12);
      const labels = await sizesOf('.arrow-label');
      expect(labels.length).toBeGreaterThan(15);
      expect(Math.min(...labels)).toBeGreaterThanOrEqual(10.5);
      for (const key of ['Home', 'End']) {
        await page.keyboard.press(key);
        const isInSight = await page.$eval('[data-active]', (state) => {
          const box = state.getBoundingClientRect();
          const view = state.closest('.statechart-view')!.getBoundingClientRect();
          return (
            box.left >= view.left - 1 &&
            box.right <= view.right + 1 &&
            box.top >= view.top - 4 &&
            box.bottom <= view.bottom + 4
          );
        });
        expect(isInSight, `${key} at ${width}`).toBe(true);
      }
      await page.context().close();
    }
  },
);

browserTest('heartbeats are one arrow, and each its own on demand', async () => {
  const [id] = await yard!.submit({ argv: ['sleep', '600'] });
  await untilState(yard!, id!, 'executing');
  const page = await open(id!);
  await page.waitForFunction(
    () =>
      Number(document.querySelector('[data-message="heartbeat"]')?.getAttribute('data-times')) >=
      10,
  );
  expect(await page.locator('[data-message="heartbeat"]').count()).toBe(1);
  await page.getByLabel('each heartbeat').check();
  await page.waitForFunction(
    () => document.querySelectorAll('[data-message="heartbeat"]').length >= 10,
  );
  await page.locator('nav[aria-label="Of the run"] a', { hasText: 'Events' }).click();
  await page.waitForFunction(
    () => document.querySelectorAll('[data-event="heartbeat"]').length >= 10,
  );
  await yard!.client.abortRun(id!, 'test over');
  await page.context().close();
});

browserTest('no secret of a run is on its pages or in its export', async () => {
  const [id] = await yard!.submit({ argv: ['true'], env: { SECRET: 'xyzzy' } });
  await untilState(yard!, id!, 'COMPLETE');
  for (const tab of ['timeline', 'log', 'machine', 'events', 'results', 'raw']) {
    const { page } = await yard!.look(`/runs/${id}/${tab}`);
    await page.waitForSelector('.run-command');
    await page.waitForTimeout(300);
    expect(await page.content(), tab).not.toContain('xyzzy');
    if (tab === 'raw') {
      const saving = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Export its history' }).click();
      const exported = readFileSync(await (await saving).path(), 'utf8');
      expect(exported).toContain(id);
      expect(exported).not.toContain('xyzzy');
    }
    await page.context().close();
  }
});

browserTest('a master that was killed is come back to, with nothing twice', async () => {
  const [id] = await yard!.submit({ argv: ['sleep', '600'] });
  await untilState(yard!, id!, 'executing');
  const page = await open(id!);
  const steps = () => page.locator('[data-step]').innerText();
  const before = (await yard!.client.history(id!)).map(({ seq }) => seq);
  await yard!.killMaster();
  await page.waitForSelector('[data-live="false"]');
  await yard!.bringBackMaster();
  const readyAt = Date.now();
  await page.waitForSelector('[data-live="true"]');
  expect(Date.now() - readyAt).toBeLessThan(BACK_WITHIN_MS);
  const after = (await yard!.client.history(id!)).map(({ seq }) => seq);
  expect(after.slice(0, before.length)).toEqual(before);
  await page.waitForFunction(
    (all) => document.querySelector('[data-step]')?.textContent?.includes(`/${all} `),
    (await yard!.client.history(id!)).length,
  );
  expect(await steps()).toContain(`/${(await yard!.client.history(id!)).length} `);
  expect(new Set(after).size).toBe(after.length);
  await page.locator('nav[aria-label="Of the run"] a', { hasText: 'Events' }).click();
  await page.waitForSelector('[data-event]');
  const shown = await page.$$eval('[data-seq]', (all) =>
    all.map((row) => Number(row.getAttribute('data-seq'))),
  );
  expect(shown).toEqual(after);
  await page.context().close();
});

browserTest('an exported history is replayed without a master', async () => {
  const [id] = await yard!.submit({
    argv: ['sh', '-c', 'exit 1'],
    retries: 1,
    retry: { backoffMs: 50 },
  });
  await untilState(yard!, id!, 'COMPLETE');
  const { page } = await yard!.look(`/runs/${id}/raw`);
  const saving = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export its history' }).click();
  const file = await (await saving).path();
  await page.goto(`${yard!.url}/import`);
  await page.setInputFiles('input[type=file]', file);
  await page.waitForSelector('[data-state="COMPLETE"][data-active]');
  await page.keyboard.press('Home');
  expect(await activeOf(page)).toEqual(['PENDING.queued']);
  await page.context().close();
});
