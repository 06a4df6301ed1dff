import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { encode } from '../../src/protocol/codec.ts';
import { CONNECT, echo, joinedSlave, rawSlave, residentBytes } from './wire-kit.ts';
import { slaveOf, startMaster } from './wire-kit.ts';
import { until } from '../kit/until.ts';
import type { RawSlave, WireMaster } from './wire-kit.ts';

/** Of one hostile frame, with all that it makes us do; generous, as other tests run beside. */
const RESIDENT_BYTES_MAX = 20 * 2 ** 20;
const FUZZ_SEED = process.env['FUZZ_SEED'] ?? '1';
const FUZZ_FRAMES = Number(process.env['FUZZ_FRAMES'] ?? 20_000);

type Bystander = Awaited<ReturnType<ReturnType<typeof slaveOf>['connect']>>;

let master: WireMaster;
let bystander: Bystander;
let crashes: unknown[];
const onCrash = (error: unknown) => void crashes.push(error);

beforeAll(() => {
  process.on('uncaughtException', onCrash).on('unhandledRejection', onCrash);
});

afterAll(() => {
  process.off('uncaughtException', onCrash).off('unhandledRejection', onCrash);
});

beforeEach(async () => {
  crashes = [];
  master = await startMaster();
  bystander = await slaveOf(master.url).connect();
});

afterEach(async () => {
  await echo(bystander, 1);
  expect(crashes).toEqual([]);
  expect(master.ended.has(bystander.id)).toBe(false);
  await master.stop();
});

const event = (data: unknown) => [2, '/slaves', data];

test.each<[name: string, packet: unknown, code: string]>([
  ['an event whose data is text', { type: 2, nsp: '/', data: 'str', id: 1 }, 'packet.invalid'],
  ['a packet that is a map', { type: 2, nsp: '/slaves', data: ['m', []] }, 'packet.invalid'],
  ['a packet that is a number', 2, 'packet.invalid'],
  ['a packet that is nil', null, 'packet.invalid'],
  ['an empty packet', [], 'packet.invalid'],
  ['text instead of bytes', '42["m",[]]', 'packet.invalid'],
  ['bytes disguised as text', `b${Buffer.from(encode([9])).toString('base64')}`, 'packet.invalid'],
  ['an event with an id, to have it acknowledged', [2, '/slaves', ['m', []], 1], 'packet.invalid'],
  ['an event without data', [2, '/slaves'], 'packet.invalid'],
  ['an event whose data is a map', event({ 0: 'm' }), 'packet.invalid'],
  ['an event whose payload is a map', event(['m', { length: 1 }]), 'packet.invalid'],
  ['an event with two payloads', event(['m', [], []]), 'packet.invalid'],
  ['a reason without end', event(['m', 'x'.repeat(401)]), 'packet.invalid'],
  ['an event without a name', event([]), 'packet.event'],
  ['an event named by a map', event([{ toString: 1 }, []]), 'packet.event'],
  ['an event named disconnect', event(['disconnect', 'fake']), 'packet.event'],
  ['an event named disconnecting', event(['disconnecting']), 'packet.event'],
  ['an event named connect', event(['connect']), 'packet.event'],
  ['an event named connect_error', event(['connect_error', {}]), 'packet.event'],
  ['an event named error', event(['error', 'fake']), 'packet.event'],
  ['an event named newListener', event(['newListener', 'x']), 'packet.event'],
  ['an event named removeListener', event(['removeListener', 'x']), 'packet.event'],
  ['an event named __proto__', event(['__proto__', []]), 'packet.event'],
  ['an acknowledgement', [3, '/slaves', [1]], 'packet.type'],
  ['a refusal, which only a master sends', [4, '/slaves', { message: 'x' }], 'packet.type'],
  ['a binary event', [5, '/slaves', ['m']], 'packet.type'],
  ['a binary acknowledgement', [6, '/slaves', ['m']], 'packet.type'],
  ['a type beyond all', [7, '/slaves', []], 'packet.type'],
  ['a type below all', [-1, '/slaves', []], 'packet.type'],
  ['a type in words', ['2', '/slaves', ['m', []]], 'packet.type'],
  ['a type of nil', [null, '/slaves', ['m', []]], 'packet.type'],
  ['the default namespace', [2, '/', ['m', []]], 'packet.nsp'],
  ['a namespace that is a number', [2, 1, ['m', []]], 'packet.nsp'],
  ['a namespace with a query', [2, '/slaves?x=1', ['m', []]], 'packet.nsp'],
  ['a namespace that is a prototype', [0, '__proto__'], 'packet.nsp'],
  ['a second CONNECT', CONNECT, 'packet.order'],
  ['a DISCONNECT with data', [1, '/slaves', 'x'], 'packet.invalid'],
])('%s closes its socket and is counted', async (_name, packet, code) => {
  const raw = await joinedSlave(master.port);
  raw.send(packet);
  await raw.closed;

  expect(master.counters).toEqual(new Map([[code, 1]]));
  expect([...master.ended.values()]).toEqual([expect.stringMatching(new RegExp(`^${code}: `))]);
  expect(raw.packets[0]).toEqual(event(['m', [...master.ended.values()][0]]));
});

test.each<[name: string, packet: unknown, code: string]>([
  ['credentials that are nil', [0, '/slaves', null], 'packet.invalid'],
  ['credentials that are text', [0, '/slaves', 't'], 'packet.invalid'],
  ['credentials that are a list', [0, '/slaves', ['t']], 'packet.invalid'],
  ['another namespace', [0, '/', { token: 't' }], 'packet.nsp'],
  ['an event', event(['m', []]), 'packet.order'],
  ['a DISCONNECT', [1, '/slaves'], 'packet.order'],
])('a first packet of %s closes its socket and is counted', async (_name, packet, code) => {
  const raw = await rawSlave(master.port);
  raw.send(packet);
  await raw.closed;

  expect(master.counters.get(code)).toBe(1);
  expect(master.connections).toHaveLength(1);
});

test('two CONNECTs at once let nobody in twice', async () => {
  const raw = await rawSlave(master.port);
  raw.send(CONNECT, CONNECT);
  await raw.closed;

  expect(master.counters.get('packet.order')).toBe(1);
  expect(master.connections.length).toBeLessThanOrEqual(2);
});

test('credentials that try to resume a session of another are only credentials', async () => {
  const raw = await rawSlave(master.port);
  raw.send([0, '/slaves', { token: 't', pid: master.connections[0]!.id, offset: 'x' }]);

  expect(await raw.packet()).toMatchObject([0, '/slaves', { sid: expect.any(String) }]);
  raw.socket.terminate();
});

test.each<[name: string, bytes: Uint8Array, code: string]>([
  ['no bytes', Uint8Array.of(), 'frame.truncated'],
  ['a lie about four gigabytes', Uint8Array.of(0xc6, 255, 255, 255, 255), 'frame.truncated'],
  ['a lie about four billion maps', Uint8Array.of(0xdd, 255, 255, 255, 255), 'frame.truncated'],
  ['bytes after the end', Uint8Array.of(0x90, 0x90), 'frame.trailing_bytes'],
  ['an extension', Uint8Array.of(0xc7, 1, 1, 0), 'frame.ext_not_allowed'],
  ['a record', Uint8Array.of(0xd4, 0x72, 0x40), 'frame.ext_not_allowed'],
  ['the byte that means nothing', Uint8Array.of(0xc1), 'frame.reserved_byte'],
  ['a map for a key', Uint8Array.of(0x81, 0x80, 0x80), 'frame.key_type'],
  ['a quarter of a million levels', new Uint8Array(262_144).fill(0x91), 'frame.too_deep'],
  ['a quarter of a million maps', listOf(262_139, 0x80), 'frame.too_many_nodes'],
  ['ten thousand maps of one level', listOf(10_000, 0x80), 'frame.too_many_nodes'],
])('a frame of %s is refused, and costs nothing', async (_name, bytes, code) => {
  const raw = await joinedSlave(master.port);
  const before = residentBytes();
  raw.send(bytes);
  await raw.closed;

  expect(master.counters).toEqual(new Map([[code, 1]]));
  expect(residentBytes() - before).toBeLessThan(RESIDENT_BYTES_MAX);
});

test('a broken WebSocket closes its socket and is counted', async () => {
  const raw = await joinedSlave(master.port);
  const below = (raw.socket as unknown as { _socket: { write: (bytes: Uint8Array) => void } })
    ._socket;
  below.write(Uint8Array.of(0xff, 0x80, 0, 0, 0, 0));
  await raw.closed;

  expect(master.counters).toEqual(new Map([['frame.websocket', 1]]));
});

test('two hundred thousand empty fragments close their socket', async () => {
  const raw = await joinedSlave(master.port);
  const below = (raw.socket as unknown as { _socket: { write: (bytes: Uint8Array) => void } })
    ._socket;
  const fragment = Uint8Array.of(0x00, 0x80, 0, 0, 0, 0);
  const fragments = new Uint8Array(200_000 * fragment.length);
  for (let at = 0; at < fragments.length; at += fragment.length) fragments.set(fragment, at);
  below.write(Uint8Array.of(0x02, 0x80, 0, 0, 0, 0));
  below.write(fragments);
  await raw.closed;

  expect(master.counters).toEqual(new Map([['frame.websocket', 1]]));
});

test('an attack on the socket of one slave leaves each of many others connected', async () => {
  const others = await Promise.all(Array.from({ length: 20 }, () => slaveOf(master.url).connect()));
  const raw = await joinedSlave(master.port);
  raw.send([2, '/slaves', ['disconnect', 'fake']], Uint8Array.of(0xc1));
  await raw.closed;

  for (const [n, other] of others.entries()) await echo(other, n);
  expect(master.ended.size).toBe(1);
});

test(`${FUZZ_FRAMES} random and mutated frames leave the master whole (seed ${FUZZ_SEED})`, async () => {
  const random = seededRandom(FUZZ_SEED);
  const below = (max: number) => Math.floor(random.float() * max);
  const good = [
    CONNECT,
    [1, '/slaves'],
    event(['m', [{ n: 1, text: 'one' }, { n: 2 }]]),
    event(['m', [{ n: 'one' }]]),
    event(['m', 'net.bye: enough']),
    event(['m', Array.from({ length: 50 }, (_, n) => ({ n }))]),
  ].map((packet) => encode(packet));
  let sent = 0;

  function frame(): Uint8Array | string {
    const kind = below(8);
    if (kind === 0) return random.bytes(below(200));
    if (kind === 1) return Buffer.from(random.bytes(1 + below(20))).toString('latin1');
    const bytes = Uint8Array.from(good[below(good.length)]!);
    for (let n = below(4); n > 0; n--) bytes[below(bytes.length)] = below(256);
    return kind === 2 ? bytes.subarray(0, below(bytes.length)) : bytes;
  }

  async function attack(): Promise<void> {
    const raw: RawSlave =
      below(4) === 0 ? await rawSlave(master.port) : await joinedSlave(master.port);
    const frames = Array.from({ length: 8 }, frame);
    const paced = below(2) === 0;
    for (const bytes of frames) {
      raw.send(bytes);
      // What comes before a violation in one chunk is dropped with it; apart, each is heard.
      if (paced) await new Promise((resolve) => setImmediate(resolve));
    }
    sent += frames.length;
    if (below(4) === 0) raw.socket.terminate();
    else raw.socket.close();
    await raw.closed;
  }

  while (sent < FUZZ_FRAMES) await Promise.all([attack(), attack(), attack(), attack()]);
  await until(() => master.ended.size === master.connections.length - 1);

  expect([...master.counters.keys()]).toEqual(
    expect.arrayContaining([
      'packet.order',
      'packet.invalid',
      'frame.truncated',
      'message.invalid',
    ]),
  );
  expect(master.counters.has('internal.handler')).toBe(false);
  expect(master.counters.has('internal.parser')).toBe(false);
});

/** An array with that many of the same one-byte item. */
function listOf(count: number, item: number): Uint8Array {
  const bytes = new Uint8Array(5 + count).fill(item);
  new DataView(bytes.buffer).setUint32(1, count);
  bytes[0] = 0xdd;
  return bytes;
}
