import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { startBridge } from './bridge.ts';

async function open() {
  let isAborted = false;
  const bridge = await startBridge({
    master: 'http://master:7070/',
    runId: 'r1',
    async *frames(signal) {
      yield '{"type":"a"}';
      yield '{"type":"b"}';
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      isAborted = true;
    },
  });
  onTestFinished(() => bridge.close());
  const { origin, searchParams } = new URL(bridge.url);
  const key = searchParams.get('ticket')!;
  const connect = (ticket: string, from: string) =>
    new WebSocket(`${origin.replace('http', 'ws')}/inspect?ticket=${ticket}&run=r1`, {
      origin: from,
    });
  return { ...bridge, origin, key, connect, isAborted: () => isAborted };
}

test('the page is served whole, and other pages are the master’s', async () => {
  const { url, origin } = await open();
  const page = await fetch(url);
  expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
  const parts = [...(await page.text()).matchAll(/(?:src|href)="(\/devtools\/[^"]+)"/g)];
  expect(parts).toHaveLength(2);
  for (const [, path] of parts) expect((await fetch(`${origin}${path}`)).status).toBe(200);
  const other = await fetch(`${origin}/runs/r1/machine?at=3`, { redirect: 'manual' });
  expect(other.headers.get('location')).toBe('http://master:7070/runs/r1/machine?at=3');
  const strange = await fetch(`${origin}//evil.example/x`, { redirect: 'manual' });
  expect(strange.headers.get('location')).toBe('http://master:7070/evil.example/x');
});

test('frames are passed on, in order, until the page goes', async () => {
  const { connect, key, origin, isAborted } = await open();
  const socket = connect(key, origin);
  const heard: string[] = [];
  socket.on('message', (data: Buffer) => void heard.push(data.toString()));
  while (heard.length < 2) await once(socket, 'message');
  expect(heard).toEqual(['{"type":"a"}', '{"type":"b"}']);
  socket.close();
  await once(socket, 'close');
  while (!isAborted()) await new Promise(setImmediate);
});

test('who does not have the address, or comes from another page, is not let in', async () => {
  const { connect, key, origin } = await open();
  for (const [ticket, from] of [
    ['wrong', origin],
    [key, 'http://evil.example'],
  ] as const) {
    const [error] = (await once(connect(ticket, from), 'error')) as [Error];
    expect(error.message).toMatch(/hang up|ECONNRESET/);
  }
});
