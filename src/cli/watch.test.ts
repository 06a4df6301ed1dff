import { expect, test } from 'vitest';
import { manualClock } from '../base/clock.ts';
import type { HistoryEvent } from '../protocol/http.ts';
import type { Client, WatchQuery } from './client.ts';
import { aRun, fakeHost } from './host-fixture.ts';

const event: HistoryEvent = {
  seq: 7,
  runId: '1m7ybe7dfmc6ysjt',
  n: 1,
  at: '2026-01-01T00:00:00.000Z',
  by: 'me',
  type: 'run.submitted',
  state: 'PENDING.queued',
  detail: { note: 'a\u001b[2Jb' },
};

function watching(events: HistoryEvent[]) {
  const asked: WatchQuery[] = [];
  const client: Partial<Client> = {
    listRuns: async () => [aRun()],
    async *watch(query) {
      asked.push(query);
      yield* events;
    },
  };
  return { asked, client };
}

test('beside a terminal each event is a line of JSON', async () => {
  const { asked, client } = watching([event, { ...event, seq: 8 }]);
  const { run, said } = fakeHost(client);
  expect(await run('watch', '--run', 'last', '--since', '6', '--ends')).toBe(0);
  expect(asked).toEqual([{ run: aRun().runId, since: 6, ends: true }]);
  const lines = said.stdout.trimEnd().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as HistoryEvent).seq)).toEqual([7, 8]);
});

test('on a terminal it is a line for people, and safe', async () => {
  const { client } = watching([event]);
  let text = '';
  const stdout = {
    print: (more: string) => void (text += more),
    write: () => {},
    isTerminal: true,
    columns: 80,
  };
  const { run } = fakeHost(client, { stdout, env: { NO_COLOR: '1' } });
  await run('watch');
  expect(text).toMatch(
    /^00:00:00\.000 {2}1m7ybe7dfmc6ysjt {2}PENDING\.queued +run\.submitted by me/,
  );
  expect(text).not.toContain('\u001b');
});

test('Ctrl-C ends it well', async () => {
  const client: Partial<Client> = {
    async *watch(_, signal) {
      yield event;
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    },
  };
  const { run, said, signal } = fakeHost(client);
  const ended = run('watch');
  while (said.stdout === '') await new Promise(setImmediate);
  signal('SIGINT');
  expect(await ended).toBe(0);
});

test('a number that is none is refused', async () => {
  const { run, said } = fakeHost();
  expect(await run('watch', '--since', 'yesterday')).toBe(64);
  expect(said.stderr).toContain('Write the number of an event.');
});

test('inspect prints frames until the run is done', async () => {
  const { runId } = aRun();
  const frame = (status: string, sessionId = `run/${runId}`) =>
    JSON.stringify({ type: '@xstate.snapshot', sessionId, snapshot: { status } });
  const frames = [frame('done', 'slave/s1'), frame('active'), frame('done'), frame('active')];
  const { run, said } = fakeHost({
    listRuns: async () => [aRun()],
    getRun: async () => aRun(),
    async *inspect() {
      yield* frames;
    },
  });
  expect(await run('inspect', 'last')).toBe(0);
  expect(said.stdout).toBe(
    frames
      .slice(0, 3)
      .map((text) => `${text}\n`)
      .join(''),
  );
});

test('what a stranger wrote into a frame turns no terminal around', async () => {
  const name = 'a\u202eb\u009bc';
  const frame = { sessionId: `run/${aRun().runId}`, name, snapshot: { status: 'done' } };
  const { run, said } = fakeHost({
    listRuns: async () => [aRun()],
    getRun: async () => aRun(),
    async *inspect() {
      yield JSON.stringify(frame);
    },
  });
  await run('inspect', 'last');
  expect(said.stdout).not.toMatch(/[\u202e\u009b]/);
  expect(JSON.parse(said.stdout)).toEqual(frame);
});

test('top without a terminal says what to write instead', async () => {
  const { run, said } = fakeHost({}, { clock: manualClock() });
  expect(await run('top')).toBe(64);
  expect(said.stderr).toContain('write top --once for a pipe');
});
