import { readFileSync, readdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseMessage, readMessage } from './envelope.ts';
import { parseInstant } from './instant.ts';

const SAMPLES = new URL('../../examples/messages/', import.meta.url);

describe('T1: envelopes', () => {
  test("fedmsg's gives its msg, with its id and time", () => {
    const message = parseMessage({
      topic: 'org.a.b',
      msg: { x: 1 },
      msg_id: '2015-1',
      timestamp: 1449600728.5,
      i: 3,
    });
    expect(message).toMatchObject({ topic: 'org.a.b', id: '2015-1', body: { x: 1 } });
    expect(message.sentAt).toBe(Date.UTC(2015, 11, 8, 18, 52, 8, 500));
  });

  test('an AMQP dump gives its body, with its id and the time in its headers', () => {
    const headers = { 'sent-at': '2025-11-17T14:42:02+00:00' };
    const message = parseMessage({ id: 'u', topic: 't', headers, body: { a: 1 }, queue: null });
    expect(message).toMatchObject({ id: 'u', body: { a: 1 } });
    expect(message.sentAt).toBe(Date.UTC(2025, 10, 17, 14, 42, 2));
  });

  test('a whole fedmsg in the body of an AMQP message is taken out of it', () => {
    const inner = { msg_id: '2017-1', msg: { status: 'FINISHED' } };
    const value = { topic: 't', id: 'outer', body: inner };
    expect(parseMessage(value)).toEqual({
      topic: 't',
      id: '2017-1',
      body: { status: 'FINISHED' },
      raw: value,
    });
    const other = { topic: 't', body: { msg: { just: 'a field' } } };
    expect(parseMessage(other).body).toEqual({ msg: { just: 'a field' } });
  });

  test('every sample is understood', () => {
    const names = readdirSync(SAMPLES).filter((name) => name.endsWith('.json'));
    const topics = names.map((name) => readMessage(readFileSync(new URL(name, SAMPLES), 'utf8')));
    expect(new Set(topics.map(({ topic }) => topic))).toEqual(
      new Set([
        'org.fedoraproject.prod.pungi.compose.status.change',
        'org.fedoraproject.prod.buildsys.tag',
      ]),
    );
    expect(topics).toHaveLength(5);
  });

  test.each([
    [null, /a JSON object/],
    [[], /a JSON object/],
    [{ msg: {} }, /topic is missing/],
    [{ topic: '', msg: {} }, /topic is missing/],
    [{ topic: 3, msg: {} }, /topic is missing/],
    [{ topic: 't' }, /neither "msg" nor "body"/],
    [{ topic: 't', msg: 'text' }, /neither "msg" nor "body"/],
    [{ topic: 't', body: [1] }, /neither "msg" nor "body"/],
    [{ topic: 't', msg: {}, timestamp: 'soon' }, /when it was sent cannot be read: "soon"/],
    [{ topic: 't', body: {}, headers: { 'sent-at': '2025-02-30T00:00:00Z' } }, /cannot be read/],
  ])('%j is refused', (value, pattern) => {
    expect(() => parseMessage(value)).toThrow(/^message\.invalid: /);
    expect(() => parseMessage(value)).toThrow(pattern);
  });

  test('text that is not JSON is refused with its place', () => {
    expect(() => readMessage('{"a": 1,\n  x}')).toThrow(/^message\.invalid: not JSON at 2:3: /);
    expect(() => readMessage('')).toThrow(/^message\.invalid: not JSON/);
    expect(() => readMessage(`"${'x'.repeat(2 ** 20)}"`)).toThrow(/^message\.too_large/);
  });
});

describe('an instant', () => {
  test('is read as the machine reads it', () => {
    const date = fc.date({
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(date, (given) => {
        expect(parseInstant(given.toISOString())).toBe(given.getTime());
      }),
    );
  });

  test('may name its zone, or none', () => {
    const noon = Date.UTC(2024, 1, 29, 12);
    expect(parseInstant('2024-02-29T14:00:00+02:00')).toBe(noon);
    expect(parseInstant('2024-02-29T06:30:00-0530')).toBe(noon);
    expect(parseInstant('2024-02-29 12:00:00')).toBe(noon);
  });

  test.each(['2023-02-29T00:00:00Z', '2024-13-01T00:00:00Z', '2024-01-01', '2024-01-01T24:00:00Z'])(
    'is not %s',
    (text) => expect(parseInstant(text)).toBeUndefined(),
  );
});
