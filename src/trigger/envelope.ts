/** Messages as they come from buses, in any of three envelopes, made one plain shape. */
import { YardError, quote } from '../base/errors.ts';
import { parseInstant } from './instant.ts';

export interface Message {
  topic: string;
  /** The bus's own name for it, where it has one. */
  id?: string;
  body: Record<string, unknown>;
  /** Milliseconds since 1970. */
  sentAt?: number;
  /** As it came, in its envelope. */
  raw: unknown;
}

const MESSAGE_BYTES_MAX = 2 ** 20;

/** Reads a message from JSON text. */
export function readMessage(text: string): Message {
  if (Buffer.byteLength(text) > MESSAGE_BYTES_MAX) {
    throw new YardError('message.too_large', 'a message is at most 1 MiB');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    const what = `not JSON${placeIn(text, error.message)}: ${quote(error.message)}`;
    throw new YardError('message.invalid', what, { cause: error });
  }
  return parseMessage(value);
}

/**
 * Understands fedmsg's envelope (`msg`), the dump of an AMQP message (`body`), and a fedmsg that a
 * bridge put whole into the body of an AMQP message (`body.msg`).
 */
export function parseMessage(value: unknown): Message {
  if (!isMap(value)) throw invalid('a message is a JSON object');
  const { topic } = value;
  if (typeof topic !== 'string' || topic === '') throw invalid('topic is missing or no text');
  if (isMap(value['msg'])) return { ...fromFedmsg(topic, value, value['msg']), raw: value };
  if (!isMap(value['body'])) {
    throw invalid('neither "msg" nor "body" is an object', 'send the message with its envelope');
  }
  const body = value['body'];
  const headers = isMap(value['headers']) ? value['headers'] : {};
  const outer = { id: value['id'], sentAt: headers['sent-at'] };
  if (!isMap(body['msg']) || !FEDMSG_KEYS.some((key) => key in body)) {
    return { ...message(topic, body, outer), raw: value };
  }
  const inner = fromFedmsg(topic, body, body['msg']);
  return { ...message(topic, inner.body, outer), ...inner, raw: value };
}

/** What tells a whole fedmsg in a body from a body that only has something called `msg`. */
const FEDMSG_KEYS = ['msg_id', 'topic', 'timestamp', 'i'];

function fromFedmsg(
  topic: string,
  envelope: Record<string, unknown>,
  body: Record<string, unknown>,
): Omit<Message, 'raw'> {
  return message(topic, body, { id: envelope['msg_id'], sentAt: envelope['timestamp'] });
}

function message(
  topic: string,
  body: Record<string, unknown>,
  { id, sentAt }: { id: unknown; sentAt: unknown },
): Omit<Message, 'raw'> {
  const instant = instantOf(sentAt);
  return {
    topic,
    ...(typeof id === 'string' && id !== '' ? { id } : {}),
    body,
    ...(instant === undefined ? {} : { sentAt: instant }),
  };
}

/** fedmsg gives seconds, AMQP headers a text. */
function instantOf(sentAt: unknown): number | undefined {
  if (sentAt === undefined || sentAt === null) return undefined;
  if (typeof sentAt === 'number' && Number.isFinite(sentAt)) return Math.round(sentAt * 1000);
  const instant = typeof sentAt === 'string' ? parseInstant(sentAt) : undefined;
  if (instant === undefined) throw invalid(`when it was sent cannot be read: ${quote(sentAt)}`);
  return instant;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(what: string, hint?: string): YardError {
  return new YardError('message.invalid', what, hint === undefined ? {} : { hint });
}

function placeIn(text: string, fault: string): string {
  const position = /at position (\d+)/.exec(fault)?.[1];
  if (position === undefined) return '';
  const before = text.slice(0, Number(position)).split('\n');
  return ` at ${before.length}:${before.at(-1)!.length + 1}`;
}
