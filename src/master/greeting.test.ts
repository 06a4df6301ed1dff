import { expect, test } from 'vitest';
import { finishedMessage, held, openYard, settled } from '../../test/kit/yard.ts';
import { toMaster } from '../protocol/to-master.ts';

test.each([
  ['hello.arch: "x86_46" unknown, did you mean "x86_64"?', { arch: 'x86_46' }],
  ['hello.arch: "vax" unknown, known: x86_64', { arch: 'vax' }],
  ['proto.unsupported: slave 2.0–2.3, master 1.0–1.1', { protocol: { min: '2.0', max: '2.3' } }],
  ['proto.unsupported: slave 0.1–0.9', { protocol: { min: '0.1', max: '0.9' } }],
])('a greeting is refused with "%s"', async (text, own) => {
  const yard = await openYard();
  const slave = await yard.welcomed('s1', own);
  const [refusal] = slave.all('refuse');
  expect(refusal?.message).toContain(text);
  expect(refusal?.code).toBe(text.slice(0, text.indexOf(':')));
  expect(slave.closed).toContain(text);
  expect(yard.hub.sessions()).toBe(0);
});

test('a second process of the same name is refused, the first goes on', async () => {
  const yard = await openYard();
  const first = await yard.welcomed('s1');
  const second = await yard.welcomed('s1', { incarnation: 'other' });
  expect(second.all('refuse')).toMatchObject([
    { code: 'hello.duplicate', message: expect.stringContaining('s1 connected from pair') },
  ]);
  expect([first.closed, yard.hub.sessions()]).toEqual([undefined, 1]);
});

test('the same process that connects again replaces its earlier connection', async () => {
  const yard = await openYard();
  const first = await yard.welcomed('s1');
  const second = await yard.welcomed('s1');
  expect(first.closed).toContain('hello.replaced');
  expect(second.all('welcome')).toHaveLength(1);
  const id = await yard.run();
  await settled();
  expect([first.all('assign'), second.claim().runId]).toEqual([[], id]);
});

test('what a replaced connection still says changes nothing', async () => {
  const yard = await openYard();
  const id = await yard.run();
  const first = await yard.welcomed('s1');
  const claim = first.claim();
  first.send(finishedMessage(claim));
  await yard.welcomed('s1', { held: held(claim) });
  await settled();
  const { state } = await yard.at(id);
  const frames = yard.events.filter(({ event }) => event.type === 'attempt.finished').length;
  expect(frames).toBe(state === 'COMPLETE' ? 1 : 0);
  expect(yard.yard.rooms.get('s1')?.used.size).toBe(state === 'COMPLETE' ? 0 : 1);
});

test.each([
  ['says something else first', 'hello.missing', [{ type: 'heartbeat', beat: 1 } as const]],
])('a peer that %s is closed with %s', async (_, code, messages) => {
  const yard = await openYard();
  const slave = yard.slave('s1');
  slave.send(...messages);
  await settled();
  expect(slave.closed).toContain(code);
});

test('a credential is good for its own name only', async () => {
  const yard = await openYard();
  const slave = yard.slave('s1');
  yard.hub.accept(slave.theirs, { name: 's9' });
  slave.greet();
  await settled();
  expect(slave.all('refuse')).toMatchObject([{ code: 'authz.identity_mismatch' }]);
});

test('a second hello on one connection ends it', async () => {
  const yard = await openYard();
  const slave = await yard.welcomed('s1');
  slave.greet();
  await settled();
  expect(slave.closed).toContain('hello.repeated');
});

test.each([0, 257, NaN, 1.5, -1, Infinity])(
  'a hello with %s slots is no message',
  async (slots) => {
    const yard = await openYard();
    const sent: unknown[] = [];
    const slave = yard.slave('s1', { slots: 2 });
    slave.theirs.onMessages((messages) => void sent.push(...messages));
    slave.greet();
    await settled();
    expect(toMaster.safeParse(sent[0]).success).toBe(true);
    const { error } = toMaster.safeParse({ ...(sent[0] as object), slots });
    expect(error?.issues[0]?.path).toEqual(['slots']);
  },
);
