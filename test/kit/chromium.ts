/** A headless Chromium and one page of it, over its debugging protocol. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';

const PROGRAM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
export const hasChromium = existsSync(PROGRAM);

const FLAGS = [
  '--headless=new',
  '--remote-debugging-port=0',
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--no-proxy-server',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-extensions',
  '--disable-sync',
];

interface Answer {
  id?: number;
  method?: string;
  params?: unknown;
  result?: { targetId?: string; sessionId?: string; result?: { value?: unknown } };
}

export async function startChromium() {
  const profile = mkdtempSync(join(tmpdir(), 'runyard-chromium-'));
  const child = spawn(PROGRAM, [...FLAGS, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let url = '';
  for await (const line of createInterface({ input: child.stderr })) {
    url = /ws:\/\/\S+/.exec(line)?.[0] ?? '';
    if (url !== '') break;
  }
  child.stderr.resume();
  const socket = new WebSocket(url);
  await new Promise((resolve) => socket.once('open', resolve));
  const waiting = new Map<number, (answer: Answer) => void>();
  const told: Answer[] = [];
  let calls = 0;
  socket.on('message', (data: Buffer) => {
    const answer = JSON.parse(data.toString()) as Answer;
    if (answer.id === undefined) told.push(answer);
    else waiting.get(answer.id)?.(answer);
  });
  const call = (method: string, params: object = {}, sessionId?: string): Promise<Answer> =>
    new Promise((resolve) => {
      const id = ++calls;
      waiting.set(id, resolve);
      socket.send(JSON.stringify({ id, method, params, sessionId }));
    });

  return {
    async open(address: string) {
      const { result: made } = await call('Target.createTarget', { url: 'about:blank' });
      const attached = await call('Target.attachToTarget', {
        targetId: made!.targetId,
        flatten: true,
      });
      const { sessionId } = attached.result!;
      await call('Log.enable', {}, sessionId);
      await call('Runtime.enable', {}, sessionId);
      await call('Page.navigate', { url: address }, sessionId);
      return {
        /** What an expression gives there. */
        async evaluate<T>(expression: string): Promise<T> {
          const params = { expression, returnByValue: true, awaitPromise: true };
          const { result } = await call('Runtime.evaluate', params, sessionId);
          return result?.result?.value as T;
        },
        /** Errors and violations that the page has shown so far. */
        complaints: () =>
          told.filter(({ method, params }) => {
            const text = JSON.stringify(params);
            if (method === 'Runtime.exceptionThrown') return true;
            return method === 'Log.entryAdded' && text.includes('"level":"error"');
          }),
      };
    },
    async close() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      await Promise.race([call('Browser.close'), gone]);
      await gone;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
