import { once } from 'node:events';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { assignmentOf } from '../../test/kit/slave-ports.ts';
import { makeMasterHttp } from './http.ts';

test('an artifact that is given up ends its request, also one that the master does not take', async () => {
  const root = mkdtempSync(join(tmpdir(), 'runyard-http-'));
  const server = createServer((request) => request.pause()).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
    rmSync(root, { recursive: true });
  });
  await once(server, 'listening');
  const path = join(root, 'large');
  writeFileSync(path, '');
  truncateSync(path, 64 * 1024 * 1024);

  const { port } = server.address() as AddressInfo;
  const http = makeMasterHttp(`http://127.0.0.1:${port}`, () => undefined);
  const giving = new AbortController();
  const artifact = { name: 'large', sha256: '0'.repeat(64), path };
  const asked = once(server, 'request');
  const sent = http.putArtifact(assignmentOf(), artifact, giving.signal);
  const [request] = (await asked) as [IncomingMessage];
  const broken = new Promise((resolve) => request.socket.once('close', resolve));
  giving.abort(new Error('stopped'));
  await expect(sent).rejects.toThrow('net.unreachable');
  // A socket that nobody reads hears of no end.
  request.on('error', () => {}).resume();
  await broken;
});
