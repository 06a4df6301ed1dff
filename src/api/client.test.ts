import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import { YardError } from '../base/errors.ts';
import type { HistoryEvent } from '../protocol/http.ts';
import type { MasterService } from '../protocol/service.ts';
import { BUNDLE_ID, event, job, run, slave, startApi, why } from './api-fixture.ts';
import type { ApiFixture, FixtureOptions } from './api-fixture.ts';
import { makeClient } from './client.ts';

type Client = ReturnType<typeof makeClient>;

const started: { stop: () => Promise<void> }[] = [];
async function start(options: FixtureOptions = {}): Promise<ApiFixture> {
  const api = await startApi(options);
  started.push(api);
  return api;
}
/** A stranger's server, or a master in bad health. */
async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  started.push({ stop });
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}
afterEach(async () => {
  await Promise.all(started.splice(0).map(({ stop }) => stop()));
});

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString();
}

const claim = { runId: 'r1', attempt: 1, token: 'claim' };
const sha256 = 'b'.repeat(64);
const AT = '2026-11-21T08:30:00.000Z';

test.each<[string, (client: Client) => Promise<unknown>, unknown, unknown]>([
  ['submit', (c) => c.submit({ argv: ['a'] }), { runId: 'r1', created: true }, [['a']]],
  ['submit', (c) => c.submit([{ argv: ['a'] }]), [{ runId: 'r1', created: true }], [['a']]],
  ['getRun', (c) => c.getRun('r1'), run, 'r1'],
  [
    'listRuns',
    (c) => c.listRuns({ state: ['PENDING', 'RUNNING'], text: ['a', 'b'], since: AT, limit: 3 }),
    [run],
    { state: ['PENDING', 'RUNNING'], text: ['a', 'b'], since: AT, limit: 3 },
  ],
  ['getRequest', (c) => c.getRequest('r1'), expect.objectContaining({ argv: ['true'] }), 'r1'],
  ['history', (c) => c.history('r1'), [event(1)], 'r1'],
  ['waitRun', (c) => c.waitRun('r1', 5), run, 'r1'],
  ['abortRun', (c) => c.abortRun('r1', 'no'), run, 'r1'],
  ['holdRun', (c) => c.holdRun('r1', 'no'), run, 'r1'],
  ['releaseRun', (c) => c.releaseRun('r1'), run, 'r1'],
  ['rerun', (c) => c.rerun('r1'), { runId: 'r2', created: true }, 'r1'],
  ['why', (c) => c.why('r1'), why, 'r1'],
  [
    'submitJob',
    (c) => c.submitJob({ runs: [{ argv: ['a'] }] }),
    { jobId: 'j1', runs: ['r1'] },
    expect.anything(),
  ],
  ['getJob', (c) => c.getJob('j1'), job, 'j1'],
  ['abortJob', (c) => c.abortJob('j1'), job, 'j1'],
  ['listSlaves', (c) => c.listSlaves(), [slave], undefined],
  ['getSlave', (c) => c.getSlave('s1'), slave, 's1'],
  ['drainSlave', (c) => c.drainSlave('s1', { note: 'n' }), slave, 's1'],
  ['resumeSlave', (c) => c.resumeSlave('s1'), slave, 's1'],
  ['enrol', (c) => c.enrol('s2'), { token: 'credential' }, 's2'],
  [
    'appendOutput',
    (c) => c.appendOutput(claim, 'stdout', 4, Buffer.from('more')),
    { size: 8 },
    { ...claim, stream: 'stdout', offset: 4 },
  ],
  [
    'putArtifact',
    (c) => c.putArtifact(claim, { name: 'a/b ?', sha256 }, Readable.from(['kept'])),
    undefined,
    { ...claim, name: 'a/b ?', sha256 },
  ],
  ['statBundle', (c) => c.hasBundle(BUNDLE_ID), true, BUNDLE_ID],
  [
    'putBundle',
    (c) => c.putBundle(BUNDLE_ID, Readable.from(['tar'])),
    { id: BUNDLE_ID, bytes: 3 },
    BUNDLE_ID,
  ],
  ['openBundle', (c) => textOf(c.openBundle(BUNDLE_ID)), 'abc', BUNDLE_ID],
  ['openBackup', (c) => textOf(c.openBackup()), 'all of it', undefined],
  ['openArtifact', (c) => textOf(c.openArtifact('r1', 'a/b ?')), '<script>', 'r1'],
  ['openOutput', (c) => textOf(c.followOutput('r1', 'stderr')), '0123456789', 'r1'],
  [
    'outputTimes',
    (c) => c.outputTimes('r1', 'stderr', { attempt: 2, from: 9 }),
    { marks: [[0, 1_000]] },
    'r1',
  ],
  [
    'takeMessage',
    (c) => c.sendMessage({ topic: 't' }),
    { runs: ['r1'], matched: ['rule 1'], discarded: [] },
    { topic: 't' },
  ],
  [
    'createToken',
    (c) => c.createToken({ kind: 'user', name: 'me' }),
    { id: 't1', token: 'secret' },
    expect.anything(),
  ],
  ['listTokens', (c) => c.listTokens(), [expect.objectContaining({ id: 't1' })], undefined],
  ['revokeToken', (c) => c.revokeToken('t1'), undefined, 't1'],
  ['metrics', (c) => c.metrics(), 'runyard_runs 1\n', undefined],
])('%s: the client asks the master and brings its answer', async (name, call, answer, first) => {
  const api = await start();
  expect(await call(api.client())).toEqual(answer);
  expect(api.asked.at(-1)!.slice(0, 2)).toEqual(first === undefined ? [name] : [name, first]);
});

test('the version names the protocol and Node', async () => {
  expect(await (await start()).client().version()).toMatchObject({ node: process.version });
});

test("the master's refusal arrives as its own error, code, text and hint", async () => {
  const getRun = async () => {
    throw new YardError('run.unknown', 'no run "r1"', { hint: 'look' });
  };
  const api = await start({ service: { getRun } });
  const error = await api
    .client()
    .getRun('r1')
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(YardError);
  expect(error).toMatchObject({ code: 'run.unknown', what: 'no run "r1"', hint: 'look' });
});

test('a bundle that is not there is no error; a master that refuses to say is', async () => {
  const statBundle = async () => {
    throw new YardError('bundle.unknown', 'not here');
  };
  const api = await start({ service: { statBundle }, open: false });
  expect(await api.client('read').hasBundle(BUNDLE_ID)).toBe(false);
  await expect(api.client('wrong').hasBundle(BUNDLE_ID)).rejects.toMatchObject({
    code: 'auth.invalid',
  });
});

test('a master that is not there is net.unreachable, with its address', async () => {
  const api = await startApi();
  await api.stop();
  const refused = `net.unreachable: master at ${api.url}: ECONNREFUSED, is it running, and is the address right?`;
  await expect(api.client().getRun('r1')).rejects.toThrow(refused);
  await expect(textOf(api.client().followOutput('r1', 'stdout'))).rejects.toThrow(refused);
  const watching = api.client().watch({}, new AbortController().signal);
  await expect(watching.next()).rejects.toThrow(refused);
});

test("a stranger's answer is named as one", async () => {
  const url = await serve((_, response) => response.writeHead(418).end('<html>teapot</html>'));
  await expect(makeClient({ server: url }).getRun('r1')).rejects.toThrow(
    `net.answer: ${url} answered 418`,
  );
});

test('a kept connection that ended is no error for who only asks, and for who submits it is', async () => {
  const asked: string[] = [];
  const url = await serve((request, response) => {
    asked.push(request.method!);
    if (asked.length % 2 === 1) request.socket.destroy();
    else response.end('{"runId":"r1"}');
  });
  const client = makeClient({ server: url });
  expect(await client.getRun('r1')).toEqual({ runId: 'r1' });
  await expect(client.submit({ argv: ['a'] })).rejects.toMatchObject({ code: 'net.unreachable' });
  expect(asked).toEqual(['GET', 'GET', 'POST']);
});

test('the token goes with every request, and under a path if the server has one', async () => {
  let seen = '';
  const url = await serve((request, response) => {
    seen = `${request.url} ${request.headers.authorization}`;
    response.end('[]');
  });
  await makeClient({ server: `${url}/yard/`, token: 'secret' }).listSlaves();
  expect(seen).toBe('/yard/api/slaves Bearer secret');
});

test('all that fits is found page by page, or the newest of it', async () => {
  const ids = Array.from({ length: 2500 }, (_, n) => `r${String(9999 - n)}`);
  const queries: unknown[] = [];
  const listRuns: MasterService['listRuns'] = async (query) => {
    queries.push([query.before, query.limit]);
    const from = query.before === undefined ? 0 : ids.indexOf(query.before) + 1;
    const page = ids.slice(from, from + query.limit).map((runId) => ({ ...run, runId }));
    // It looked for long, found nothing and goes on.
    if (from === 0) return { runs: [], next: ids[99]! };
    return { runs: page };
  };
  const api = await start({ service: { listRuns } });
  const { runs, isCut } = await api.client().findRuns({ since: AT, text: ['a', 'b'] }, 5000);
  expect([runs.map(({ runId }) => runId), isCut]).toEqual([ids.slice(100), false]);
  expect(queries).toEqual([
    [undefined, 1000],
    [ids[99], 1000],
    [ids[1099], 1000],
    [ids[2099], 1000],
  ]);
  const first = await api.client().findRuns({}, 1500);
  expect([first.runs.length, first.isCut]).toEqual([1500, true]);
  const all = await api.client().findRuns({}, 2400);
  expect([all.runs.length, all.isCut]).toEqual([2400, false]);
});

test('a wait is never longer than what fetch bears', async () => {
  const api = await start();
  await api.client().waitRun('r1', 600_000);
  expect(api.asked.at(-1)).toEqual(['waitRun', 'r1', 240_000]);
});

test('a wait that is given up rejects with the reason', async () => {
  let entered = () => {};
  const waiting = new Promise<void>((resolve) => (entered = resolve));
  const waitRun: MasterService['waitRun'] = (_id, _ms, signal) => {
    entered();
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(run)));
  };
  const api = await start({ service: { waitRun } });
  const given = new AbortController();
  const asking = api.client().waitRun('r1', 60_000, given.signal);
  await waiting;
  given.abort(new Error('enough'));
  await expect(asking).rejects.toThrow('enough');
});

/** A master that gives a few bytes of a text with each answer, and breaks off when it is told to. */
function brokenOutput(text: string, bytesEach: number) {
  let body: Readable | undefined;
  let answers = 0;
  const openOutput: MasterService['openOutput'] = async (_id, _stream, { range }) => {
    answers++;
    const from = range?.from ?? 0;
    const isEnd = from + bytesEach >= text.length;
    body = new Readable({ read() {} });
    body.push(text.slice(from, from + bytesEach));
    if (isEnd) body.push(null);
    return { body, size: text.length, complete: isEnd, from, to: Infinity };
  };
  return {
    openOutput,
    answers: () => answers,
    cut: () => void (body?.readableEnded === false && body.destroy(new Error('cut'))),
  };
}

test('an output whose connection breaks again and again arrives whole, each byte once', async () => {
  const text = Array.from({ length: 12 }, (_, index) => `line ${index}\n`).join('');
  const output = brokenOutput(text, 41);
  const api = await start({ service: { openOutput: output.openOutput } });
  for (const from of [0, 50]) {
    let seen = '';
    for await (const bytes of api.client().followOutput('r1', 'stdout', { follow: true, from })) {
      seen += Buffer.from(bytes).toString();
      output.cut();
    }
    expect(seen).toBe(text.slice(from));
  }
  expect(output.answers()).toBe(4);
});

test('a follower that is at the end of what is there waits for more', async () => {
  let text = 'first ';
  let opened = 0;
  const openOutput: MasterService['openOutput'] = async (_id, _stream, { range }) => {
    const from = range?.from ?? 0;
    if (from >= text.length) throw new YardError('output.range', `bytes from ${from}`);
    const body = Readable.from(opened++ === 0 ? cutAfter(text.slice(from)) : [text.slice(from)]);
    return { body, size: text.length, complete: opened > 1, from, to: Infinity };
  };
  async function* cutAfter(part: string) {
    yield part;
    text += 'second';
    throw new Error('cut');
  }
  const api = await start({ service: { openOutput } });
  expect(await textOf(api.client().followOutput('r1', 'stdout', { follow: true }))).toBe(
    'first second',
  );
});

test('what begins beyond the end of a complete output is empty', async () => {
  const openOutput: MasterService['openOutput'] = async (_id, _stream, { range }) => {
    if (range) throw new YardError('output.range', 'bytes from 99');
    return { body: Readable.from([]), size: 0, complete: true, from: 0, to: 0 };
  };
  const api = await start({ service: { openOutput } });
  for (const follow of [false, true]) {
    const late = api.client().followOutput('r1', 'stdout', { follow, from: 100 });
    expect(await textOf(late)).toBe('');
  }
});

test('an output that was never there is an error, at once', async () => {
  const openOutput = async () => {
    throw new YardError('output.expired', 'it was removed');
  };
  const api = await start({ service: { openOutput } });
  const follow = api.client().followOutput('r1', 'stdout', { follow: true });
  await expect(textOf(follow)).rejects.toMatchObject({ code: 'output.expired' });
});

/** Events that outlive the API that tells them. */
function makeJournal() {
  const past: HistoryEvent[] = [];
  const live = new Set<(events: HistoryEvent[]) => void>();
  const watch: MasterService['watch'] = async (since, onEvents) => {
    live.add(onEvents);
    if (since !== undefined) onEvents(past.filter(({ seq }) => seq > since));
    return { stop: () => void live.delete(onEvents) };
  };
  return {
    watch,
    add(seq: number) {
      past.push(event(seq));
      for (const tell of live) tell([event(seq)]);
    },
  };
}

test('watching goes on across a master that restarts, without gap or repetition', async () => {
  const journal = makeJournal();
  const first = await startApi({ service: { watch: journal.watch } });
  const given = new AbortController();
  const seen: number[] = [];
  journal.add(1);
  const watching = first.client().watch({ since: 0 }, given.signal);
  const take = async () => {
    const { value } = await watching.next();
    seen.push((value as HistoryEvent).seq);
  };
  await take();
  journal.add(2);
  await take();
  await first.stop();
  journal.add(3);
  journal.add(4);
  const second = await start({ service: { watch: journal.watch }, port: first.port });
  await take();
  await take();
  journal.add(5);
  await take();
  given.abort();
  expect(await watching.next()).toEqual({ value: undefined, done: true });
  expect(seen).toEqual([1, 2, 3, 4, 5]);
  expect(second.port).toBe(first.port);
});

test('what is watched for is asked of the master', async () => {
  const api = await start();
  const given = new AbortController();
  const watching = api.client().watch({ since: 7, run: 'r1', ends: true }, given.signal).next();
  while (api.asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const filter = { run: 'r1', ends: true };
  expect(api.asked).toEqual([['watch', 7, expect.any(Function), filter]]);
  given.abort();
  expect(await watching).toEqual({ value: undefined, done: true });
});

test('watching with a wrong token is an error, not a wait', async () => {
  const api = await start({ open: false });
  const watching = api.client('wrong').watch({}, new AbortController().signal);
  await expect(watching.next()).rejects.toMatchObject({
    code: 'auth.invalid',
    what: 'this token is not known',
  });
});

test('a watcher that reads slowly loses nothing of ten thousand events', async () => {
  const journal = makeJournal();
  for (let seq = 1; seq <= 10_000; seq++) journal.add(seq);
  const api = await start({ service: { watch: journal.watch } });
  const given = new AbortController();
  let last = 0;
  for await (const { seq } of api.client().watch({ since: 0 }, given.signal)) {
    expect(seq).toBe(last + 1);
    last = seq;
    if (seq % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (seq === 10_000) given.abort();
  }
  expect(last).toBe(10_000);
});

test('who stops watching leaves no connection behind', async () => {
  let stopped = () => {};
  const left = new Promise<void>((resolve) => (stopped = resolve));
  const watch: MasterService['watch'] = async (_since, onEvents) => {
    onEvents([event(1)]);
    return { stop: stopped };
  };
  const api = await start({ service: { watch } });
  for await (const { seq } of api.client().watch({}, new AbortController().signal)) {
    expect(seq).toBe(1);
    break;
  }
  await left;
});
