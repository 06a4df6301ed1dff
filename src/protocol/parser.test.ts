import { expect, test } from 'vitest';
import { decode, encode } from './codec.ts';
import { FRAME_BYTES_MAX, FRAME_NODES_MAX } from './frame-gate.ts';
import { encodeGoodbye, encodeMessages, makeParser, type Packet } from './parser.ts';

const CONNECT = [0, '/slaves', { token: 't' }];

test('what socket.io encodes on one side arrives on the other', () => {
  const { Encoder } = makeParser({ reader: 'slave', counters: new Map() });
  const encoder = new Encoder();
  const slave = reader('slave');
  slave.add(encoder.encode({ type: 0, nsp: '/slaves', data: { sid: 's1', pid: undefined } })[0]);
  slave.add(encodeMessages([{ run: 'r1' }])[0]);
  slave.add(encodeGoodbye('auth.revoked: gone'));
  slave.add(encoder.encode({ type: 1, nsp: '/slaves' })[0]);

  expect(slave.packets).toEqual([
    { type: 0, nsp: '/slaves', data: { sid: 's1' } },
    { type: 2, nsp: '/slaves', data: ['m', [{ run: 'r1' }]] },
    { type: 2, nsp: '/slaves', data: ['m', 'auth.revoked: gone'] },
    { type: 1, nsp: '/slaves' },
  ]);
});

test('a packet is refused by code, counted, and never handed on', () => {
  const master = reader('master');

  expect(() => master.add(encode([2, '/other', ['m', []]]))).toThrow('packet.nsp');
  expect(() => master.add(encode([2, '/other', ['m', []]]))).toThrow('packet.nsp');
  expect(master.packets).toEqual([]);
  expect(master.counters).toEqual(new Map([['packet.nsp', 2]]));
});

test('a slave refuses what only a master may hear, and the other way round', () => {
  expect(() => reader('slave').add(encode(CONNECT))).toThrow('packet.invalid');
  expect(() => reader('master').add(encode([4, '/slaves', { message: 'no' }]))).toThrow(
    'packet.type',
  );

  const slave = reader('slave');
  slave.add(encode([4, '/slaves', { message: 'no', data: { code: 'auth.missing' } }]));
  expect(slave.packets).toHaveLength(1);
});

test('a refusal after the welcome is out of order', () => {
  const slave = reader('slave');
  slave.add(encode([0, '/slaves', { sid: 's1' }]));

  expect(() => slave.add(encode([4, '/slaves', { message: 'no' }]))).toThrow('packet.order');
});

test('messages that fit one frame travel in one frame', () => {
  const messages = Array.from({ length: 300 }, (_, n) => ({ type: 'status', n }));

  expect(encodeMessages(messages)).toHaveLength(1);
});

test.each([
  ['bytes', Array.from({ length: 400 }, (_, n) => ({ n, out: 'x'.repeat(4_000) }))],
  ['values', Array.from({ length: 3_000 }, (_, n) => ({ n, a: 1, b: 2, c: 3 }))],
])('a batch with too many %s is split in order, and every part passes', (_what, messages) => {
  const frames = encodeMessages(messages);
  const arrived = frames.flatMap(
    (frame) => (decode(frame) as [number, string, [string, object[]]])[2][1],
  );

  expect(frames.length).toBeGreaterThan(1);
  expect(arrived).toEqual(messages);
});

test.each([
  ['frame.too_large', { out: 'x'.repeat(FRAME_BYTES_MAX) }],
  ['frame.too_many_nodes', { list: Array.from({ length: FRAME_NODES_MAX }, () => 0) }],
  ['frame.ext_not_allowed', { at: new Date(0) }],
])('a single message that breaks a limit throws %s at its sender', (code, message) => {
  expect(() => encodeMessages([{ fine: true }, message, { fine: true }])).toThrow(code);
});

test('socket.io may take its listeners off under either name', () => {
  const { Decoder } = makeParser({ reader: 'slave', counters: new Map() });
  const decoder = new Decoder();
  const heard: unknown[] = [];
  const listener = (packet: unknown) => void heard.push(packet);
  decoder.on('decoded', listener).off('decoded', listener);
  decoder.on('decoded', listener).removeListener('decoded', listener);
  decoder.destroy();
  decoder.add(encode([0, '/slaves', { sid: 's1' }]));

  expect(heard).toEqual([]);
});

function reader(side: 'master' | 'slave') {
  const counters = new Map<string, number>();
  const { Decoder } = makeParser({ reader: side, counters });
  const decoder = new Decoder();
  const packets: Packet[] = [];
  decoder.on('decoded', (packet: Packet) => packets.push(packet));
  return { add: (data: unknown) => decoder.add(data), packets, counters };
}
