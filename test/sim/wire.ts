import type { z } from 'zod';
import type { Clock } from '../../src/base/clock.ts';
import { isYardError } from '../../src/base/errors.ts';
import type { Log } from '../../src/base/log.ts';
import { encode } from '../../src/protocol/codec.ts';
import { makeSession } from '../../src/protocol/connection.ts';
import type { Counters } from '../../src/protocol/counters.ts';
import { NAMESPACE, makeParser } from '../../src/protocol/parser.ts';
import type { Packet } from '../../src/protocol/parser.ts';
import type { Connection } from '../../src/protocol/transport.ts';
import type { Socket } from './net.ts';

const CONNECT = {
  master: encode([0, NAMESPACE]),
  slave: encode([0, NAMESPACE, { sid: 'simulated' }]),
};

/** One class of each for all connections; what they count is looked at by nobody. */
const DECODER = {
  master: makeParser({ reader: 'master', counters: new Map() }).Decoder,
  slave: makeParser({ reader: 'slave', counters: new Map() }).Decoder,
};

/** The real session, with the real frames, gate, parser and schemas, over a simulated socket. */
export function wire<Out, In>(
  socket: Socket,
  options: {
    reader: 'master' | 'slave';
    schema: z.ZodType<In>;
    clock: Clock;
    log: Log;
    counters: Counters;
  },
): Connection<Out, In> {
  const { reader } = options;
  const link = {
    id: socket.id,
    remote: socket.remote,
    write: socket.write,
    bufferedBytes: socket.bufferedBytes,
    end: socket.end,
    cut: socket.cut,
  };
  const session = makeSession<Out, In>(link, options);
  const decoder = new DECODER[reader]();
  decoder.add(CONNECT[reader]);
  decoder.on('decoded', ({ type, data }: Packet) => {
    if (type === 2) session.receive((data as [string, unknown])[1]);
  });
  socket.onFrame((frame) => {
    try {
      decoder.add(frame);
    } catch (error) {
      if (!isYardError(error)) throw error;
      session.refuse(error);
    }
  });
  socket.onLost(session.lost);
  return session.connection;
}
