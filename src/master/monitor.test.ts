import { expect, test } from 'vitest';
import { openYard } from '../../test/kit/yard.ts';
import { makeMonitor } from './monitor.ts';
import type { Breach } from './monitor.ts';
import type { EventRecord, RunRecord } from './records.ts';

/** What a yard really does with a run that fails once and is aborted, event by event. */
async function aStory(): Promise<{ events: EventRecord[]; steps: RunRecord[] }> {
  const yard = await openYard();
  const story: { events: EventRecord[]; steps: RunRecord[] } = { events: [], steps: [] };
  yard.yard.onEvents((events, steps) => {
    story.events.push(...events);
    story.steps.push(...steps);
  });
  const slave = await yard.welcomed('s1');
  const id = await yard.run({
    argv: ['false'],
    retries: 1,
    retry: { backoffMs: 1, backoffMaxMs: 1 },
  });
  for (let attempt = 1; attempt <= 2; attempt++) {
    await yard.pass(50);
    const ending = { kind: 'exited', code: 1 } as const;
    slave.send({ type: 'finished', ...slave.claim(), ending, artifacts: [], notes: [] });
    await yard.pass(50);
  }
  expect((await yard.at(id)).state).toBe('COMPLETE');
  return story;
}

function hearing({ events, steps }: { events: EventRecord[]; steps: RunRecord[] }): Breach[] {
  const breaches: Breach[] = [];
  makeMonitor((breach) => breaches.push(breach)).hear(events, steps);
  return breaches;
}

test('what a yard really does breaks nothing', async () => {
  const story = await aStory();
  expect(story.events.length).toBeGreaterThan(5);
  expect(hearing(story)).toEqual([]);
  // A master that starts in the middle of it, too.
  const [events, steps] = [story.events.slice(2), story.steps.slice(2)];
  expect(hearing({ events, steps })).toEqual([]);
});

type Change = (at: { event: EventRecord; run: RunRecord }, index: number) => unknown;

const PLANTED: [string, string, Change][] = [
  ['an attempt that falls', 'S3', ({ run }, i) => i === 2 && void (run.context.attempt = 0)],
  [
    'a grant that gives no new attempt',
    'S3',
    ({ event, run }) => event.event.type === 'run.granted' && void (run.context.attempt = 0),
  ],
  [
    'an end of another attempt',
    'S4',
    ({ event }) => event.event.type === 'attempt.finished' && void (event.event['attempt'] = 9),
  ],
  [
    'an end that settles nothing',
    'S4',
    ({ event, run }) => event.state === 'COMPLETE' && void (run.context.settled = 1),
  ],
  ['more failures than tries', 'S7', ({ run }) => void (run.context.failures = 5)],
  ['more losses in a row than may be', 'S7', ({ run }) => void (run.context.lost = 50)],
  ['a number left out', 'S9', ({ event }, i) => i > 1 && void (event.seq += 1)],
  ['an event that its record does not name', 'S9', ({ event }, i) => i === 1 && void (event.n = 7)],
  ['a record in another state', 'S9', ({ event }, i) => i === 1 && void (event.state = 'FAILED')],
];

test.each(PLANTED)('%s is a breach of %s', async (_, invariant, change) => {
  const story = structuredClone(await aStory());
  for (const [index, event] of story.events.entries())
    change({ event, run: story.steps[index]! }, index);
  expect(hearing(story).map((breach) => breach.invariant)).toContain(invariant);
});

test('an event after the end is a breach of S1', async () => {
  const { events, steps } = await aStory();
  const [event, run] = [events.at(-1)!, steps.at(-1)!];
  const late = { ...event, seq: event.seq + 1, n: event.n + 1 };
  const after = { ...run, events: [...run.events, late.seq] };
  expect(hearing({ events: [...events, late], steps: [...steps, after] })).toMatchObject([
    { invariant: 'S1', what: 'event 7 comes after the end of the run' },
  ]);
});
