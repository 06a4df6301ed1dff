import fc from 'fast-check';
import { expect, test } from 'vitest';
import { classKey, judge, makeQueue, passingObstacle, permanentObstacle } from './placement.ts';
import type { Room } from './placement.ts';
import type { RunFacts } from './records.ts';

function facts(own: Partial<RunFacts> = {}): RunFacts {
  const needs = { labels: {}, resources: {}, isolation: 'none' as const };
  return { ...needs, priority: 0, exclusive: false, createdAt: 0, ...own };
}

function room(own: Partial<Room> = {}): Room {
  return {
    name: 's1',
    arch: 'x86_64',
    labels: {},
    resources: {},
    isolations: ['none'],
    slots: 100,
    online: true,
    draining: false,
    used: new Map(),
    ...own,
  };
}

/** Everything that the room gets until nothing more fits. */
function takeAll(queue: ReturnType<typeof makeQueue>, into: Room): string[] {
  const taken: string[] = [];
  for (let id = queue.takeFor(into); id !== undefined; id = queue.takeFor(into)) {
    taken.push(id);
    into.used.set(id, {});
  }
  return taken;
}

test.each([
  ['another architecture', facts({ arch: 'aarch64' }), 'arch', 'is x86_64, wanted aarch64'],
  ['a label it has not', facts({ labels: { gpu: 'yes' } }), 'label', 'wanted gpu=yes, has none'],
  [
    'a label it has otherwise',
    facts({ labels: { os: 'bsd' } }),
    'label',
    'wanted os=bsd, has linux',
  ],
  [
    'more than it has',
    facts({ resources: { cpus: 9 } }),
    'resource',
    'wanted cpus 9, has 4 in all',
  ],
  ['what it never heard of', facts({ resources: { gpus: 1 } }), 'resource', 'has 0 in all'],
  ['isolation', facts({ isolation: 'bwrap' }), 'isolation', 'cannot isolate by bwrap'],
])('a slave never runs what wants %s', (_, needs, predicate, detail) => {
  const small = room({ labels: { os: 'linux' }, resources: { cpus: 4 } });
  expect(permanentObstacle(needs, small)).toMatchObject({ name: 's1', predicate });
  expect(permanentObstacle(needs, small)?.detail).toContain(detail);
  const queue = makeQueue();
  queue.add('a', needs, false);
  expect(queue.takeFor(small)).toBeUndefined();
  expect(queue.has('a')).toBe(true);
});

test('a slave runs what names its architecture, its labels and no more than its resources', () => {
  const fits = facts({ arch: 'x86_64', labels: { os: 'linux' }, resources: { cpus: 4 } });
  const all = room({ labels: { os: 'linux', more: '1' }, resources: { cpus: 4 } });
  expect(permanentObstacle(fits, all)).toBeUndefined();
  expect(passingObstacle(fits, all)).toBeUndefined();
});

test.each([
  ['offline', { online: false }],
  ['draining', { draining: true }],
  ['slots', { slots: 1, used: new Map([['x', {}]]) }],
  ['resource_busy', { resources: { cpus: 4 }, used: new Map([['x', { cpus: 3 }]]) }],
] as const)('a slave that is %s gets nothing for now', (predicate, own) => {
  const needs = facts({ resources: predicate === 'resource_busy' ? { cpus: 2 } : {} });
  const busy = room(own);
  expect(permanentObstacle(needs, busy)).toBeUndefined();
  expect(passingObstacle(needs, busy)?.predicate).toBe(predicate);
  const queue = makeQueue();
  queue.add('a', needs, false);
  expect(queue.takeFor(busy)).toBeUndefined();
});

test('priority goes first, then what came first, across classes', () => {
  const queue = makeQueue();
  queue.add('low', facts({ priority: -1 }), false);
  queue.add('first', facts(), false);
  queue.add('second', facts({ arch: 'x86_64' }), false);
  queue.add('third', facts(), false);
  queue.add('high', facts({ priority: 5, arch: 'x86_64' }), false);
  expect(takeAll(queue, room())).toEqual(['high', 'first', 'second', 'third', 'low']);
  expect(queue.size).toBe(0);
});

test('a run queued after a loss goes before its class, yet not before a higher priority', () => {
  const queue = makeQueue();
  queue.add('a', facts(), false);
  queue.add('other class', facts({ arch: 'x86_64' }), false);
  queue.add('high', facts({ priority: 1 }), false);
  queue.add('lost', facts(), true);
  expect(takeAll(queue, room())).toEqual(['high', 'lost', 'a', 'other class']);
});

test('runs that one slave lost keep the order in which they came', () => {
  const queue = makeQueue();
  for (const id of ['a', 'b', 'c']) queue.add(id, facts(), true);
  expect(takeAll(queue, room())).toEqual(['a', 'b', 'c']);
});

test('a head that nobody can run blocks nobody', () => {
  const queue = makeQueue();
  queue.add('never', facts({ arch: 's390x', priority: 100 }), false);
  queue.add('too big', facts({ resources: { cpus: 64 }, priority: 100 }), false);
  queue.add('small', facts(), false);
  expect(takeAll(queue, room({ resources: { cpus: 2 } }))).toEqual(['small']);
  expect(queue.size).toBe(2);
});

test('a removed run is never taken, and one that is added again is taken once', () => {
  const queue = makeQueue();
  for (const id of ['a', 'b', 'c']) queue.add(id, facts(), false);
  queue.remove('a');
  queue.add('b', facts(), false);
  queue.add('c', facts({ arch: 'x86_64' }), false);
  queue.remove('unknown');
  expect(takeAll(queue, room())).toEqual(['b', 'c']);
});

test('needs that say the same are one class, in whatever order they are written', () => {
  const a = facts({ labels: { x: '1', y: '2' }, resources: { cpus: 1, disk: 2 } });
  const b = facts({ labels: { y: '2', x: '1' }, resources: { disk: 2, cpus: 1 } });
  expect(classKey(a)).toBe(classKey(b));
  expect(classKey(a)).not.toBe(classKey(facts({ labels: { x: '1' } })));
});

test('a verdict names what would have to change', () => {
  const arm = facts({ arch: 'aarch64' });
  const verdict = (...rooms: Room[]) => judge(arm, rooms).verdict;
  const here = (own: Partial<Room>) => room({ arch: 'aarch64', ...own });
  const busy = here({ slots: 1, used: new Map([['x', {}]]) });
  expect(verdict(room())).toBe('none_can_ever');
  expect(verdict(room(), here({ online: false }))).toBe('offline');
  expect(verdict(here({ online: false }), here({ draining: true }))).toBe('draining');
  expect(verdict(here({ draining: true }), busy)).toBe('all_busy');
  expect(judge(arm, []).summary).toBe('no slave has ever connected');
  expect(judge(arm, [room()]).summary).toBe('no slave known here can ever run this');
});

test('a verdict lists an obstacle for each slave that does not take the run', () => {
  const rooms = [room(), room({ name: 's2', arch: 'aarch64', online: false })];
  expect(judge(facts({ arch: 'aarch64' }), rooms).obstacles).toEqual([
    { name: 's1', predicate: 'arch', detail: 'is x86_64, wanted aarch64' },
    { name: 's2', predicate: 'offline', detail: 'is not connected' },
  ]);
});

test('a slave that could take the run at once is not called one that never can', () => {
  expect(judge(facts(), [room()]).verdict).not.toBe('none_can_ever');
});

test('three runs of 0.1 cpus fit into 0.3', () => {
  const used = new Map([
    ['a', { cpus: 0.1 }],
    ['b', { cpus: 0.1 }],
  ]);
  const third = facts({ resources: { cpus: 0.1 } });
  expect(passingObstacle(third, room({ resources: { cpus: 0.3 }, used }))).toBeUndefined();
});

const needs = fc.record({
  arch: fc.constantFrom(undefined, 'x86_64', 'aarch64'),
  labels: fc.constantFrom({}, { os: 'linux' }) as fc.Arbitrary<Record<string, string>>,
  resources: fc.constantFrom({}, { cpus: 1 }, { cpus: 2 }, { cpus: 9 }) as fc.Arbitrary<
    Record<string, number>
  >,
  priority: fc.integer({ min: -1, max: 1 }),
  ahead: fc.boolean(),
});
const places = fc.record({
  arch: fc.constantFrom('x86_64', 'aarch64'),
  labels: fc.constantFrom({}, { os: 'linux' }) as fc.Arbitrary<Record<string, string>>,
  slots: fc.integer({ min: 1, max: 3 }),
  cpus: fc.integer({ min: 0, max: 3 }),
  online: fc.boolean(),
});

test('a slave is never given more than it has, nothing is given twice, and nothing is left over', () => {
  fc.assert(
    fc.property(
      fc.array(needs, { maxLength: 30 }),
      fc.array(places, { maxLength: 4 }),
      fc.array(fc.nat(29), { maxLength: 10 }),
      (runs, slaves, removed) => {
        const queue = makeQueue();
        const byId = new Map(
          runs.map(({ ahead, ...own }, i) => [`r${i}`, { ahead, facts: facts(own) }]),
        );
        for (const [id, run] of byId) queue.add(id, run.facts, run.ahead);
        const gone = new Set(removed.map((i) => `r${i}`));
        for (const id of gone) queue.remove(id);
        const taken = new Set<string>();
        for (const [i, { cpus, ...own }] of slaves.entries()) {
          const into = room({ name: `s${i}`, ...own, resources: { cpus } });
          for (let id = queue.takeFor(into); id !== undefined; id = queue.takeFor(into)) {
            const { facts: wanted } = byId.get(id)!;
            expect(taken.has(id) || gone.has(id)).toBe(false);
            expect(permanentObstacle(wanted, into) ?? passingObstacle(wanted, into)).toBe(
              undefined,
            );
            taken.add(id);
            into.used.set(id, wanted.resources);
          }
          const used = [...into.used.values()].reduce((sum, { cpus: n = 0 }) => sum + n, 0);
          expect(into.used.size).toBeLessThanOrEqual(into.slots);
          expect(used).toBeLessThanOrEqual(cpus);
          for (const [id, { facts: wanted }] of byId) {
            if (taken.has(id) || gone.has(id)) continue;
            expect(permanentObstacle(wanted, into) ?? passingObstacle(wanted, into)).toBeDefined();
          }
        }
        expect(queue.size).toBe([...byId.keys()].filter((id) => !gone.has(id)).length - taken.size);
      },
    ),
    { numRuns: 300 },
  );
});

test('whatever is taken first is not worse than what is left for the same slave', () => {
  fc.assert(
    fc.property(fc.array(needs, { minLength: 1, maxLength: 30 }), (runs) => {
      const queue = makeQueue();
      const all = room({ labels: { os: 'linux' }, resources: { cpus: 9 }, slots: 1000 });
      const fits = runs.filter(({ arch }) => arch !== 'aarch64');
      for (const [i, { ahead, ...own }] of fits.entries()) queue.add(`${i}`, facts(own), ahead);
      const order = takeAll(queue, all).map((id) => ({ ...fits[Number(id)]!, came: Number(id) }));
      for (const [i, later] of order.slice(1).entries()) {
        const earlier = order[i]!;
        expect(earlier.priority).toBeGreaterThanOrEqual(later.priority);
        if (earlier.priority !== later.priority) continue;
        expect(Number(earlier.ahead)).toBeGreaterThanOrEqual(Number(later.ahead));
        if (!earlier.ahead && !later.ahead) expect(earlier.came).toBeLessThan(later.came);
      }
    }),
    { numRuns: 200 },
  );
});
