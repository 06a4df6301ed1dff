/** A page on this machine that shows a run of a master anywhere in the Stately Inspector. */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import {
  STATELY_STYLE,
  STATELY_UI,
  statelyPage,
  statelyPolicy,
  statelyScript,
} from '../api/devtools/stately-page.ts';
import { isYardError, messageOf } from '../base/errors.ts';
import { makeIds, systemRandom } from '../base/random.ts';
import { INSPECT_PATH } from '../protocol/devtools.ts';

export interface BridgePorts {
  /** Where the master is: other pages of its are there. */
  master: string;
  runId: string;
  frames: (signal: AbortSignal) => AsyncIterable<string>;
}

const PARTS: Record<string, [type: string, text: () => string]> = {
  '/devtools/stately': ['text/html', () => statelyPage(STATELY_UI)],
  '/devtools/stately.js': ['text/javascript', statelyScript],
  '/devtools/stately.css': ['text/css', () => STATELY_STYLE],
};

/** Other users of this machine may reach the port: only who has the address may look. */
export async function startBridge({
  master,
  runId,
  frames,
}: BridgePorts): Promise<{ url: string; close: () => Promise<void> }> {
  const key = makeIds(systemRandom).random(32);
  const server = createServer((request, response) => answer(request, response, master));
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 1024 });
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const [path, query] = (request.url ?? '').split('?');
    const isOurs = path === INSPECT_PATH && new URLSearchParams(query).get('ticket') === key;
    if (!isOurs || request.headers.origin !== origin()) return socket.destroy();
    sockets.handleUpgrade(request, socket, head, (client) => void pass(client, frames));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as { port: number };
  const origin = () => `http://127.0.0.1:${port}`;
  return {
    url: `${origin()}/devtools/stately?run=${runId}&ticket=${key}`,
    close() {
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function answer(request: IncomingMessage, response: ServerResponse, master: string): void {
  const url = request.url ?? '/';
  const part = PARTS[url.split('?')[0]!];
  if (!part) {
    response
      .writeHead(302, { location: `${master.replace(/\/+$/, '')}/${url.replace(/^\/+/, '')}` })
      .end();
    return;
  }
  const [type, text] = part;
  response.writeHead(200, {
    'content-type': `${type}; charset=utf-8`,
    'content-security-policy': statelyPolicy(STATELY_UI),
    'referrer-policy': 'no-referrer',
  });
  response.end(text());
}

async function pass(client: WebSocket, frames: BridgePorts['frames']): Promise<void> {
  const gone = new AbortController();
  client.on('error', () => client.terminate());
  client.once('close', () => gone.abort());
  try {
    for await (const frame of frames(gone.signal)) {
      // What waits here waits in the master, too, which knows when it is too much.
      await new Promise<void>((resolve) => client.send(frame, () => resolve()));
    }
    client.close(1001, 'the master closed');
  } catch (error) {
    const why = isYardError(error) ? error.code : messageOf(error);
    client.close(1011, why.slice(0, 100));
  }
}
