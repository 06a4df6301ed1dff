/**
 * What runs do, in the protocol of `@statelyai/inspect`, over a plain WebSocket at
 * /inspect?ticket=T&run=ID&since=SEQ: one JSON object in each text frame, from us only.
 */
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import { INSPECT_PATH } from '../protocol/devtools.ts';
import type { InspectFrame, MasterService } from '../protocol/service.ts';
import type { Gate } from './gate.ts';
import { checkQuery, followedOf } from './input.ts';
import { LAG_BYTES_MAX } from './sockets.ts';
import type { SocketPath } from './sockets.ts';

interface Wanted {
  run: string | undefined;
  since: number | undefined;
}

export function inspectSocket({
  service,
  gate,
}: {
  service: MasterService;
  gate: Gate;
}): SocketPath {
  return {
    path: INSPECT_PATH,
    async admit(request) {
      const wanted = wantedOf(request);
      await gate.admit(request, 'read');
      if (wanted.run !== undefined) await service.getRun(wanted.run);
      return (client) => serve(client, wanted, service);
    },
  };
}

/** The ticket is the gate's to read. */
const KEYS = ['ticket', 'run', 'since'];

function wantedOf({ url = '' }: IncomingMessage): Wanted {
  const query = new URLSearchParams(url.split('?')[1] ?? '');
  checkQuery(query.keys(), KEYS);
  return followedOf(query);
}

async function serve(client: WebSocket, wanted: Wanted, service: MasterService): Promise<void> {
  const ended = new Promise<void>((resolve) => client.once('close', () => resolve()));

  /** Resolves when the last of them has left this process: what is past is sent no faster. */
  function tell(frames: readonly InspectFrame[]): Promise<void> {
    return new Promise((resolve) => {
      for (const [index, frame] of frames.entries()) {
        if (client.readyState !== client.OPEN) return resolve();
        if (client.bufferedAmount > LAG_BYTES_MAX) {
          client.close(1013, 'limit.slow_consumer: resume by since');
          return resolve();
        }
        const isLast = index === frames.length - 1;
        client.send(JSON.stringify(frame), () => isLast && resolve());
      }
      if (frames.length === 0) resolve();
    });
  }

  const watcher = await service.inspect(wanted, tell);
  await ended;
  watcher.stop();
}
