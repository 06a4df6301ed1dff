/** What inspectors of other makers are told by a master that asks for tokens, and a broken one. */
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join, resolve } from 'node:path';
import { createWebSocketReceiver } from '@statelyai/inspect';
import type { StatelyInspectionEvent } from '@statelyai/inspect';
import { afterAll, beforeAll, expect } from 'vitest';
import { WebSocket } from 'ws';
import { makeClient } from '../../src/api/client.ts';
import { silentLog } from '../../src/base/log.ts';
import { startYard } from '../kit/processes.ts';
import { startStatelyUi } from '../kit/stately-ui.ts';
import { until } from '../kit/until.ts';
import { browserTest, openBrowser, openYard } from './kit.ts';
import type { BrowserYard } from './kit.ts';

let ui: Awaited<ReturnType<typeof startStatelyUi>>;
let yard: BrowserYard | undefined;
let token = '';
let runId = '';

beforeAll(async () => {
  ui = await startStatelyUi();
  // Beyond loopback, so that it asks for tokens.
  const master = ['--host', '0.0.0.0', '--insecure', '--stately-ui', `${ui.origin}/`];
  yard = await openYard({ slaves: 0, master, hosts: [ui.origin] });
  if (!yard) return;
  token = readFileSync(join(yard.root, 'state', 'admin.token'), 'utf8').trim();
  const client = makeClient({ server: yard.url, token });
  ({ runId } = await client.submit({ argv: ['true'], held: true }));
  await client.abortRun(runId, 'for its history');
});

afterAll(async () => {
  await yard?.stop();
  await ui.stop();
});

async function newTicket(): Promise<string> {
  const answer = await fetch(`${yard!.url}/api/tickets`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  });
  return ((await answer.json()) as { ticket: string }).ticket;
}

const addressOf = (ticket: string) =>
  `${yard!.url.replace('http', 'ws')}/inspect?run=${runId}&ticket=${ticket}`;

/** All that the stock receiver hears of the run, which is over. */
async function receive(ticket: string): Promise<StatelyInspectionEvent[]> {
  const events: StatelyInspectionEvent[] = [];
  createWebSocketReceiver({ server: addressOf(ticket) }).subscribe(
    (event) => void events.push(event),
  );
  const isEnd = (event: StatelyInspectionEvent) =>
    event.type === '@xstate.snapshot' && (event.snapshot as { status?: string }).status === 'done';
  await until(() => events.some(isEnd));
  return events;
}

/** The status of the answer that refuses it. */
async function refusal(ticket: string, headers: Record<string, string> = {}): Promise<number> {
  const socket = new WebSocket(addressOf(ticket), { headers });
  return new Promise((done, fail) => {
    socket.once('error', () => {});
    socket.once('open', () => fail(new Error('it was let in')));
    socket.once('unexpected-response', (_, answer: IncomingMessage) => done(answer.statusCode!));
  });
}

browserTest('the stock WebSocket receiver is let in once by a ticket, from here', async () => {
  const ticket = await newTicket();
  const foreign = { origin: 'http://evil.example' };
  expect(await refusal(ticket, foreign)).toBe(403);
  const events = await receive(ticket);
  const actors = events.filter(({ type }) => type === '@xstate.actor');
  const actor = actors.find(({ sessionId }) => sessionId === `run/${runId}`);
  const { definition } = actor as unknown as { definition: string };
  expect((JSON.parse(definition) as { id: string }).id).toBe('run');
  expect(await refusal(ticket)).toBe(401);
  expect(await refusal('ryt_bad')).toBe(401);
});

/** From the tab Raw, as people come there: in a profile that has the token, or had it. */
async function openFromRun() {
  const { page } = await yard!.look(`/runs/${runId}/raw`);
  const faults: string[] = [];
  page.context().on('console', (message) => {
    const isBridge = message.page() !== page;
    if (isBridge && message.type() === 'error') faults.push(message.text());
  });
  await page.getByLabel('Token').fill(token);
  await page.keyboard.press('Enter');
  const link = page.getByRole('link', { name: "Open in Stately's inspector" });
  await link.waitFor();
  const opening = page.context().waitForEvent('page');
  await link.click();
  return { page, faults, bridge: await opening };
}

browserTest(
  'behind the bridge the stock browser receiver counts what the socket told, where tokens are asked for',
  async () => {
    const wanted = (await receive(await newTicket())).length;
    expect(wanted).toBeGreaterThan(4);
    const { page, bridge } = await openFromRun();
    await bridge.waitForSelector(`body[data-frames="${wanted}"]`);
    await bridge
      .frameLocator('#ui')
      .locator(`html[data-count="${wanted}"]`)
      .waitFor({ state: 'attached' });
    expect(await bridge.locator('#status').innerText()).toBe('Connected to the Stately UI');
    expect(bridge.url()).not.toContain(token);
    // Its ticket was good once, and the tab has no token to ask for another.
    await bridge.reload();
    await bridge
      .locator('#status', { hasText: "Open this page from the run's own again" })
      .waitFor();
    await page.context().close();
  },
);

browserTest(
  'where no UI answers, the bridge says so after four seconds and shows what it hears',
  async () => {
    ui.silence(true);
    const { page, faults, bridge } = await openFromRun();
    await bridge.locator('#status', { hasText: 'Stately UI unreachable' }).waitFor();
    const rows = await bridge.locator('#rows').innerText();
    expect(rows).toContain('abort.requested');
    expect(rows).toContain('ABORTED');
    expect(faults).toEqual([]);
    await page.context().close();
    ui.silence(false);
  },
);

browserTest('an inspector that throws is one error on the page, and runs go on', async () => {
  const own = await startYard();
  const { root, port, url, client, startSlave } = own;
  // As it is built: the page lies beside it.
  const { startMaster } = (await import(
    resolve(import.meta.dirname, '../../dist/master/main.js')
  )) as typeof import('../../src/master/main.ts');
  const state = join(root, 'state');
  const { master, close } = await startMaster({ state, host: '127.0.0.1', port, log: silentLog });
  const sight = await openBrowser(url);
  try {
    startSlave('s1');
    let calls = 0;
    await master.service.inspect({}, () => {
      if (++calls > 1) throw new Error('a bug of an inspector');
    });
    const run = await client.submit({ argv: ['true'] });
    expect((await client.waitRun(run.runId, 60_000)).state).toBe('COMPLETE');
    expect(calls).toBe(2);
    const { page, faults } = await sight.look('/system');
    expect(await page.locator('[data-inspector-errors]').innerText()).toBe('1');
    expect(faults).toEqual([]);
  } finally {
    await sight.browser.close();
    await own.stop();
    await close();
  }
});
