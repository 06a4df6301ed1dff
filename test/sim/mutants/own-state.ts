import type { Mutant } from './mutant.ts';

/** Bugs in what the master decides and keeps: its ledger, store, queue and deadlines. */
export const STATE: readonly Mutant[] = [
  {
    name: 'word-on-what-is-not-on-disk',
    source: 'own',
    why: 'found once: a report was called stale because of a decision that was not on disk',
    file: 'src/master/ledger.ts',
    find: `      if (underWay > 0) return (last = last.then(() => concludeUnlessFailed(batch)));`,
    replace: ``,
  },
  {
    name: 'refused-and-yet-told',
    source: 'own',
    why: 'found once: what was decided behind a commit that failed was answered as if it were done',
    file: 'src/master/ledger.ts',
    find: `        if (!result.ok)`,
    replace: `        if (failed) return;
        if (!result.ok)`,
  },
  {
    name: 'wait-as-long-as-the-clock-says',
    source: 'own',
    why: 'found once: a wall clock that jumps back makes a backoff last for an hour',
    file: 'src/master/yard.ts',
    find: `    return Math.min(Math.max(0, at - clock.wall()), withinMs);`,
    replace: `    return withinMs < 0 ? 0 : Math.max(0, at - clock.wall());`,
  },
  {
    name: 'slot-by-run',
    source: 'own',
    why: 'slots are kept by run, so that an old attempt frees the slot of a new one',
    file: 'src/master/yard.ts',
    find: '  return `${runId}.${attempt}`;',
    replace: "  return attempt < 0 ? '' : runId;",
  },
  {
    name: 'one-slot-too-many',
    source: 'own',
    why: 'slaves are given one attempt more than they have slots',
    file: 'src/master/placement.ts',
    find: `  if (room.used.size >= room.slots) {`,
    replace: `  if (room.used.size > room.slots) {`,
    also: [
      {
        file: 'src/master/yard.ts',
        find: `          if (room.used.size < room.slots && queue.size > 0) progress`,
        replace: `          if (room.used.size <= room.slots && queue.size > 0) progress`,
      },
    ],
  },
  {
    name: 'last-in-first-out',
    source: 'own',
    shows: 'L4',
    why: 'what came last is granted first',
    file: 'src/master/placement.ts',
    find: `      else list.items.push(item);`,
    replace: `      else list.items.splice(list.first, 0, item);`,
    also: [
      {
        file: 'src/master/placement.ts',
        find: `(head.priority === best.priority && head.head.order < best.head.order);`,
        replace: `(head.priority === best.priority && head.head.order > best.head.order);`,
      },
    ],
  },
  {
    name: 'failure-frees-dependents',
    source: 'own',
    shows: 'S29',
    why: 'what waits for a run starts after any exit of it',
    file: 'src/master/yard.ts',
    find: `ending?.kind === 'exited' && ending.code === 0) return undefined;`,
    replace: `ending?.kind === 'exited') return undefined;`,
  },
  {
    name: 'held-at-submit-is-queued',
    source: 'own',
    shows: 'S30',
    why: 'a run that is to be held from its submission on starts',
    file: 'src/machines/run.ts',
    find: `          { guard: 'isHeld', target: 'PENDING.held' },`,
    replace: ``,
  },
  {
    name: 'hold-ends-with-an-adoption',
    source: 'own',
    why: 'a held run whose lost attempt came back is queued when that is lost again',
    file: 'src/machines/run.ts',
    find: `        'slave.lost': lostOrHeld,`,
    replace: `        'slave.lost': lost,`,
  },
  {
    name: 'job-abort-leaves-one-out',
    source: 'own',
    shows: 'S31',
    why: 'the last run of a job does not hear of its abort',
    file: 'src/master/yard.ts',
    find: `      for (const id of job.runs) {`,
    replace: `      for (const id of job.runs.slice(0, -1)) {`,
  },
  {
    name: 'one-loss-too-many',
    source: 'own',
    why: 'a run is queued again after the last loss that it may have',
    file: 'src/machines/run-guards.ts',
    find: `step.context.lost + 1 >= step.context.limits.lostMax,`,
    replace: `step.context.lost > step.context.limits.lostMax,`,
  },
  {
    name: 'history-with-holes',
    source: 'own',
    shows: 'S9',
    why: 'numbers of events are left out',
    file: 'src/master/ledger.ts',
    find: `      seq++;
      const { id, state, context, facts } = next;`,
    replace: `      seq += before ? 1 : 2;
      const { id, state, context, facts } = next;`,
  },
  {
    name: 'finished-run-forgotten',
    source: 'own',
    why: 'a run that is done is removed together with its place among the live ones',
    file: 'src/master/ledger.ts',
    find: `            ops.push({ put: keys.done(record.id), value }, { del: keys.live(record.id) });`,
    replace: `            ops.push({ del: keys.live(record.id) }, { del: keys.origin(record.id) });`,
  },
  {
    name: 'third-start-fails',
    source: 'own',
    why: 'a master whose epoch is above two does not start',
    file: 'src/master/master.ts',
    find: `  if (!fence) throw new YardError(`,
    replace: `  if (!fence || fence.epoch > 2) throw new YardError(`,
  },
  {
    name: 'no-start-without-work',
    source: 'own',
    shows: 'L3',
    why: 'a master that finds nothing to do when it starts again ends',
    file: 'src/master/master.ts',
    find: `  await yard.open();`,
    replace: `  await yard.open();
  if (fence.epoch > 1 && yard.ledger.liveRuns().length === 0) {
    throw new YardError('store.locked', 'there is nothing to do');
  }`,
  },
  {
    name: 'checksum-unchecked',
    source: 'own',
    why: 'a record with a flipped bit is served',
    file: 'src/master/store/record.ts',
    find: `  if (checksum(key, rev, value) !== record.readUInt32LE(0)) throw damaged(key);`,
    replace: ``,
  },
  {
    name: 'hole-unseen',
    source: 'own',
    shows: 'S27',
    why: 'a store from whose middle a group of commits is gone is served',
    file: 'src/master/store/check.ts',
    find: `      checkSuccessor(before, next);`,
    replace: `      if (before.group > next.group) checkSuccessor(before, next);`,
  },
  {
    name: 'gone-at-rest',
    source: 'own',
    shows: 'L8',
    why: 'once all is well the master dies for good; planted in the world, for the core has no such act',
    file: 'test/sim/world.ts',
    find: `    healedAtMs = kernel.now / 1000;
    timeline`,
    replace: `    healedAtMs = kernel.now / 1000;
    kernel.after((2 * scenario.leaseMs + 55_000) * 1000, KIND.world, () => master.kill(true));
    timeline`,
  },
];
