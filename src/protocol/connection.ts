/** What both ends of the wire do alike, above whatever carries the frames. */
import type { z } from 'zod';
import type { Clock } from '../base/clock.ts';
import { YardError, messageOf, quote } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { formatBytes } from '../base/units.ts';
import { count, type Counters } from './counters.ts';
import { makeQuickCheck } from './quick-check.ts';
import type { QuickCheck } from './quick-check.ts';
import { encodeGoodbye, encodeMessages } from './parser.ts';
import type { Connection } from './transport.ts';

export const OUTGOING_BYTES_MAX = 8 * 2 ** 20;

/** Frames kept for a handler that is not set yet; it is due in the turn of the connection. */
const HELD_FRAMES_MAX = 1_000;

/** One open socket, as the session needs it. */
export interface Link {
  id: string;
  remote: string;
  /** Queues one frame; never throws for a socket that is going. */
  write: (frame: Uint8Array) => void;
  /** Bytes that were written and that the kernel has not taken yet. */
  bufferedBytes: () => number;
  /** Closes after what was written, within a limit of time. */
  end: () => void;
  /** Closes at once; what was written may be lost. */
  cut: () => void;
}

export interface SessionOptions<In> {
  /** Of one incoming message. Unknown keys must be stripped, not refused, and none renamed. */
  schema: z.ZodType<In>;
  clock: Clock;
  log: Log;
  counters: Counters;
  /** Bytes that may wait for a peer that does not read. */
  outgoingMaxBytes?: number;
}

/** The connection as its user sees it, and what the socket beneath it tells it. */
export interface Session<Out, In> {
  connection: Connection<Out, In>;
  /** The payload of one frame came: messages, or the peer's reason to end. */
  receive: (payload: unknown) => void;
  /** The peer did what it may not: counts it, tells it, and ends. */
  refuse: (error: YardError) => void;
  /** The socket is gone. */
  lost: (reason: string) => void;
  /** Runs a handler; if it fails, that is counted and logged and ends this connection alone. */
  guard: (handler: () => unknown) => void;
}

export function makeSession<Out, In>(link: Link, options: SessionOptions<In>): Session<Out, In> {
  const { clock, counters, schema, outgoingMaxBytes = OUTGOING_BYTES_MAX } = options;
  const isValid = quickCheckOf(schema);
  const log = options.log.child({ connection: link.id, remote: link.remote });
  const ending = makeEnding(clock, guard);
  const inbox = makeInbox<In>(guard);

  function close(reason: string): void {
    if (ending.isOver()) return;
    link.write(encodeGoodbye(reason));
    ending.begin(reason);
    link.end();
  }

  function refuse(error: YardError): void {
    if (ending.isOver()) return;
    note(error);
    close(error.message);
  }

  function note(error: YardError): void {
    count(counters, error.code);
    log.warn({ code: error.code }, error.message);
  }

  function guard(handler: () => unknown): void {
    const failed = (error: unknown) => {
      count(counters, 'internal.handler');
      const stack = error instanceof Error ? error.stack : undefined;
      log.error({ code: 'internal.handler', stack }, messageOf(error));
      close('internal.handler: the other side failed while it handled a message');
    };
    try {
      const result = handler();
      if (isPromiseLike(result)) result.then(undefined, failed);
    } catch (error) {
      failed(error);
    }
  }

  function send(messages: readonly Out[]): void {
    if (ending.isOver() || messages.length === 0) return;
    for (const frame of encodeMessages(messages)) {
      link.write(frame);
      if (link.bufferedBytes() <= outgoingMaxBytes) continue;
      const error = slowConsumer(outgoingMaxBytes);
      note(error);
      ending.begin(error.message);
      return link.cut();
    }
  }

  function receive(payload: unknown): void {
    if (ending.isOver()) return;
    if (typeof payload === 'string') {
      ending.begin(readReason(payload));
      return link.end();
    }
    const messages = parseMessages(payload as unknown[], { schema, isValid }, counters);
    if (messages instanceof YardError) return refuse(messages);
    if (!inbox.put(messages)) refuse(unheard());
  }

  const { id, remote } = link;
  const onMessages = (handler: (messages: In[]) => void) => {
    inbox.open((messages) => ending.isOver() || handler(messages));
  };
  const { begin: lost, onClose } = ending;
  const connection = { id, remote, send, close, onMessages, onClose };
  return { connection, receive, refuse, lost, guard };
}

/** Remembers that it is over, and tells so once, at the end of the turn. */
function makeEnding(clock: Clock, guard: (handler: () => unknown) => void) {
  let reason: string | undefined;
  let handler: ((reason: string) => void) | undefined;

  function tell(): void {
    const told = handler;
    const why = reason;
    if (why === undefined || !told) return;
    handler = undefined;
    guard(() => told(why));
  }

  return {
    isOver: () => reason !== undefined,
    begin: (because: string) => {
      if (reason !== undefined) return;
      reason = because;
      clock.soon(tell);
    },
    onClose: (next: (reason: string) => void) => {
      handler = next;
      if (reason !== undefined) clock.soon(tell);
    },
  };
}

/** Keeps what comes before there is a handler; `put` says no when that is too much. */
function makeInbox<In>(guard: (handler: () => unknown) => void) {
  let handler: ((messages: In[]) => unknown) | undefined;
  let held: In[][] = [];

  return {
    put(messages: In[]): boolean {
      const hears = handler;
      if (hears) guard(() => hears(messages));
      else held.push(messages);
      return held.length <= HELD_FRAMES_MAX;
    },
    open(next: (messages: In[]) => unknown): void {
      handler = next;
      const earlier = held;
      held = [];
      for (const messages of earlier) guard(() => next(messages));
    },
  };
}

/** Made once for each schema, not for each connection. */
const quickChecks = new WeakMap<z.ZodType, QuickCheck>();

function quickCheckOf(schema: z.ZodType): QuickCheck {
  let check = quickChecks.get(schema);
  if (!check) quickChecks.set(schema, (check = makeQuickCheck(schema) ?? (() => false)));
  return check;
}

function parseMessages<In>(
  payload: unknown[],
  { schema, isValid }: { schema: z.ZodType<In>; isValid: QuickCheck },
  counters: Counters,
): In[] | YardError {
  const messages: In[] = [];
  for (const [index, raw] of payload.entries()) {
    if (isValid(raw)) {
      messages.push(raw as In);
      continue;
    }
    const parsed = schema.safeParse(raw);
    if (!parsed.success) return invalidMessage(index, parsed.error);
    const unknown = unknownKeys(raw, parsed.data);
    if (unknown > 0) count(counters, 'message.unknown_key', unknown);
    messages.push(parsed.data);
  }
  return messages;
}

function invalidMessage(index: number, error: z.ZodError): YardError {
  const issue = error.issues[0];
  const where = [index, ...(issue?.path ?? [])].join('.');
  const what = quote(issue?.message).slice(1, -1);
  return new YardError('message.invalid', `at ${quote(where)}: ${what}`);
}

/** How many keys of what came are not in what was made of it. */
function unknownKeys(raw: unknown, parsed: unknown): number {
  if (raw === parsed || !isContainer(raw) || !isContainer(parsed)) return 0;
  let unknown = 0;
  for (const key in raw) {
    if (Object.hasOwn(parsed, key)) unknown += unknownKeys(raw[key], parsed[key]);
    else unknown++;
  }
  return unknown;
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value);
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return isContainer(value) && typeof value['then'] === 'function';
}

/** A peer's reason is repeated only if it reads like one of ours. */
function readReason(text: string): string {
  const ours = /^[a-z]+(\.[a-z_]+)+(:? [^\p{C}]*)?$/u.test(text);
  return ours ? text : `net.closed: the peer said ${quote(text)}`;
}

function slowConsumer(max: number): YardError {
  return new YardError('limit.slow_consumer', `over ${formatBytes(max)} wait for a peer`);
}

function unheard(): YardError {
  return new YardError('limit.unheard', `over ${HELD_FRAMES_MAX} frames came and nobody listens`);
}
