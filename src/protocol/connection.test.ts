import { expect, test } from 'vitest';
import { z } from 'zod';
import { manualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { decode } from './codec.ts';
import { makeSession } from './connection.ts';

test('each call of the handler gets the messages of one frame, in order', () => {
  const { session, heard } = start();
  session.receive([{ n: 1 }, { n: 2 }]);
  session.receive([{ n: 3 }]);

  expect(heard).toEqual([[{ n: 1 }, { n: 2 }], [{ n: 3 }]]);
});

test('frames that come before there is a handler wait for it', () => {
  const { session } = start({ listens: false });
  session.receive([{ n: 1 }]);
  session.receive([{ n: 2 }]);
  const heard: unknown[] = [];
  session.connection.onMessages((messages) => void heard.push(messages));

  expect(heard).toEqual([[{ n: 1 }], [{ n: 2 }]]);
});

test('frames for which nobody ever listens end the connection instead of piling up', () => {
  const { session, counters } = start({ listens: false });
  for (let n = 0; n <= 1_000; n++) session.receive([{ n }]);

  expect(counters.get('limit.unheard')).toBe(1);
});

test('unknown keys are stripped at every depth and counted', () => {
  const { session, heard, counters } = start();
  session.receive([
    { n: 1, evil: true, inner: { ok: 'x', evil: 1 }, list: [{ ok: 'y', worse: {} }] },
  ]);

  expect(heard).toEqual([[{ n: 1, inner: { ok: 'x' }, list: [{ ok: 'y' }] }]]);
  expect(counters.get('message.unknown_key')).toBe(3);
});

test('one invalid message refuses its whole frame and ends the connection', async () => {
  const { session, heard, written, closes, counters } = start();
  session.receive([{ n: 1 }, { n: 'one' }]);
  await turn();

  expect(heard).toEqual([]);
  expect(counters.get('message.invalid')).toBe(1);
  expect(closes).toEqual([expect.stringMatching(/^message\.invalid: at "1\.n": .*number/)]);
  expect(written()).toEqual(closes);
});

test('a handler that throws ends its connection and is counted', async () => {
  const { session, closes, counters } = start({ listens: false });
  session.connection.onMessages(() => {
    throw new Error('secret of the master');
  });
  session.receive([{ n: 1 }]);
  await turn();

  expect(counters.get('internal.handler')).toBe(1);
  expect(closes[0]).toMatch(/^internal\.handler: /);
  expect(closes[0]).not.toContain('secret');
});

test('a handler that rejects ends its connection and is counted', async () => {
  const { session, closes, counters } = start({ listens: false });
  const handler = () => Promise.reject(new Error('late'));
  session.connection.onMessages(handler as unknown as () => void);
  session.receive([{ n: 1 }]);
  await turn();

  expect(counters.get('internal.handler')).toBe(1);
  expect(closes).toHaveLength(1);
});

test('after the end nothing is heard, nothing is sent, and the end is told once', async () => {
  const { session, heard, written, closes } = start();
  session.connection.close('run.done: bye');
  session.connection.close('run.done: again');
  session.lost('net.closed: gone');
  session.receive([{ n: 1 }]);
  session.connection.send([{ n: 1 }]);
  await turn();

  expect(heard).toEqual([]);
  expect(written()).toEqual(['run.done: bye']);
  expect(closes).toEqual(['run.done: bye']);
});

test('who asks after the end hears of it too', async () => {
  const { session } = start();
  session.lost('net.closed: gone');
  await turn();
  const closes: string[] = [];
  session.connection.onClose((reason) => closes.push(reason));
  await turn();

  expect(closes).toEqual(['net.closed: gone']);
});

test.each([
  ['auth.revoked: token of slave s7', 'auth.revoked: token of slave s7'],
  ['proto.unsupported slave 3.x', 'proto.unsupported slave 3.x'],
  ['just words', 'net.closed: the peer said "just words"'],
  ['auth.x: two\nlines', 'net.closed: the peer said "auth.x: two\\nlines"'],
  ['auth.x: \u001b[31mred', 'net.closed: the peer said "auth.x: \\u001b[31mred"'],
])('the reason of a peer %j is told as %j', async (said, told) => {
  const { session, closes } = start();
  session.receive(said);
  await turn();

  expect(closes).toEqual([told]);
});

test('a peer that does not read is cut off when too much waits for it', async () => {
  const { session, link, closes, counters } = start({ outgoingMaxBytes: 1_000 });
  link.buffered = 1_000;
  session.connection.send([{ n: 1 }]);
  expect(link.cuts).toBe(0);

  link.buffered = 1_001;
  session.connection.send([{ n: 2 }]);
  await turn();

  expect(link.cuts).toBe(1);
  expect(counters.get('limit.slow_consumer')).toBe(1);
  expect(closes).toEqual([expect.stringMatching(/^limit\.slow_consumer: over 1000 B wait/)]);
});

test('nothing is sent for an empty list', () => {
  const { session, written } = start();
  session.connection.send([]);

  expect(written()).toEqual([]);
});

function start({ listens = true, outgoingMaxBytes = 1_000_000 } = {}) {
  const inner = z.object({ ok: z.string() });
  const schema = z.object({
    n: z.number(),
    inner: inner.optional(),
    list: z.array(inner).optional(),
  });
  const counters = new Map<string, number>();
  const frames: Uint8Array[] = [];
  const link = {
    id: 'c1',
    remote: '127.0.0.1',
    buffered: 0,
    cuts: 0,
    write: (frame: Uint8Array) => void frames.push(frame),
    bufferedBytes: () => link.buffered,
    end: () => {},
    cut: () => void link.cuts++,
  };
  const options = { schema, clock: manualClock(), log: silentLog, counters, outgoingMaxBytes };
  const session = makeSession<{ n: number }, z.infer<typeof schema>>(link, options);
  const heard: unknown[] = [];
  const closes: string[] = [];
  if (listens) session.connection.onMessages((messages) => void heard.push(messages));
  session.connection.onClose((reason) => closes.push(reason));
  /** The payloads of all frames so far. */
  const written = () => frames.map((frame) => (decode(frame) as [number, string, unknown[]])[2][1]);
  return { session, link, heard, closes, written, counters };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
