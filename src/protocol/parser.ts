/**
 * socket.io's packets in MessagePack: `[type, namespace, data]`. socket.io trusts what its parser
 * hands on, down to calling handlers by a name that the peer chose; so all of it is checked here.
 */
import { EventEmitter } from 'node:events';
import { YardError, assert, isYardError, quote } from '../base/errors.ts';
import { decode, encode } from './codec.ts';
import { count, type Counters } from './counters.ts';
import { findFrameFault } from './frame-gate.ts';

export const NAMESPACE = '/slaves';

/** The one event: its payload is an array of messages, or a string that says why it ends. */
const EVENT_NAME = 'm';
const REASON_LENGTH_MAX = 400;

const CONNECT = 0;
const DISCONNECT = 1;
const EVENT = 2;
const CONNECT_ERROR = 4;

export interface Packet {
  type: number;
  nsp: string;
  data?: unknown;
}

export interface ParserOptions {
  /** Who reads: the master hears CONNECT with credentials, the slave hears what came of it. */
  reader: 'master' | 'slave';
  /** Refusals are counted here, by code. */
  counters: Counters;
}

/** One frame's worth of messages, or several where one would be over the limits of a frame. */
export function encodeMessages(messages: readonly unknown[]): Uint8Array[] {
  const frame = encode([EVENT, NAMESPACE, [EVENT_NAME, messages]]);
  const fault = findFrameFault(frame);
  if (!fault) return [frame];
  const splits = fault.code === 'frame.too_large' || fault.code === 'frame.too_many_nodes';
  if (!splits || messages.length < 2) throw fault;
  const half = Math.ceil(messages.length / 2);
  return [...encodeMessages(messages.slice(0, half)), ...encodeMessages(messages.slice(half))];
}

/** The last frame of a connection: why it ends. */
export function encodeGoodbye(reason: string): Uint8Array {
  return encode([EVENT, NAMESPACE, [EVENT_NAME, reason.slice(0, REASON_LENGTH_MAX)]]);
}

/** Makes the pair of classes that socket.io asks for; each connection gets a decoder of its own. */
export function makeParser(options: ParserOptions): {
  Encoder: typeof PacketEncoder;
  Decoder: new () => PacketDecoder;
} {
  return {
    Encoder: PacketEncoder,
    Decoder: class extends PacketDecoder {
      constructor() {
        super(options);
      }
    },
  };
}

class PacketEncoder {
  encode(packet: Packet): Uint8Array[] {
    const known = packet.type <= EVENT || packet.type === CONNECT_ERROR;
    assert(known, `packet type ${packet.type} is never sent`);
    const { type, nsp, data } = packet;
    return [encode(data === undefined ? [type, nsp] : [type, nsp, data])];
  }
}

/** Hands on only packets in the one order that makes sense; throws at the first that is not. */
class PacketDecoder extends EventEmitter {
  readonly #options: ParserOptions;
  #opened = false;

  constructor(options: ParserOptions) {
    super();
    this.#options = options;
  }

  add(data: unknown): void {
    let packet: Packet;
    try {
      packet = this.#read(data);
    } catch (error) {
      if (isYardError(error)) count(this.#options.counters, error.code);
      throw error;
    }
    this.emit('decoded', packet);
  }

  /** Holds nothing between packets; socket.io's client also calls this before the first one. */
  destroy(): void {}

  #read(data: unknown): Packet {
    if (!(data instanceof Uint8Array)) throw invalid('frame', 'expected bytes, got text');
    const packet = checkShape(decode(data), this.#options.reader);
    const opens = packet.type === CONNECT || packet.type === CONNECT_ERROR;
    if (opens === this.#opened) {
      throw new YardError('packet.order', opens ? 'a second CONNECT' : 'no CONNECT came before');
    }
    this.#opened = true;
    return packet;
  }
}

function checkShape(value: unknown, reader: ParserOptions['reader']): Packet {
  if (!Array.isArray(value)) throw invalid('packet', 'expected an array');
  if (value.length < 2 || value.length > 3) throw invalid('packet', 'expected [type, nsp, data]');
  const [type, nsp, data] = value as [unknown, unknown, unknown];
  if (nsp !== NAMESPACE) throw new YardError('packet.nsp', `there is no namespace ${show(nsp)}`);
  if (type === CONNECT) checkConnect(data, reader);
  else if (type === CONNECT_ERROR && reader === 'slave') checkConnectError(data);
  else if (type === EVENT) checkEvent(data);
  else if (type === DISCONNECT) {
    if (data !== undefined) throw invalid('data', 'a DISCONNECT carries none');
  } else throw new YardError('packet.type', `packets of type ${show(type)} are not taken`);
  return data === undefined ? { type, nsp } : { type, nsp, data };
}

function checkConnect(data: unknown, reader: ParserOptions['reader']): void {
  if (reader === 'master') {
    if (data !== undefined && !isMap(data)) throw invalid('data', 'expected a map or nothing');
  } else if (!isMap(data) || typeof data['sid'] !== 'string' || data['sid'] === '') {
    throw invalid('data', 'expected a map with a sid');
  }
}

function checkConnectError(data: unknown): void {
  if (!isMap(data) || typeof data['message'] !== 'string') {
    throw invalid('data', 'expected a map with a message');
  }
}

function checkEvent(data: unknown): void {
  if (!Array.isArray(data)) throw invalid('data', 'expected an array');
  if (data[0] !== EVENT_NAME)
    throw new YardError('packet.event', `there is no event ${show(data[0])}`);
  const payload: unknown = data[1];
  if (data.length !== 2) throw invalid('data', 'expected one payload');
  if (Array.isArray(payload)) return;
  if (typeof payload !== 'string') throw invalid('data', 'expected messages or a reason');
  if (payload.length > REASON_LENGTH_MAX) throw invalid('data', 'too long a reason');
}

function isMap(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !ArrayBuffer.isView(value)
  );
}

/** A stranger's map can hold a `toString` of its own, so only what is text already is repeated. */
function show(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  return typeof value === 'number' ? String(value) : `that is ${typeof value}`;
}

function invalid(where: string, what: string): YardError {
  return new YardError('packet.invalid', `${where}: ${what}`);
}
