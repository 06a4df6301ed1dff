import type { Mutant } from './mutant.ts';

/** Bugs in what people ask of the master and are told. */
export const CLIENTS: readonly Mutant[] = [
  {
    name: 'accepted-before-durable',
    source: 'own',
    shows: 'S2',
    why: 'a submit is answered while its commit is under way',
    file: 'src/master/submit.ts',
    find: `    await yard.transact((tx) => {
      job?.note(tx);`,
    replace: `    void yard.transact((tx) => {
      job?.note(tx);`,
  },
  {
    name: 'key-not-kept',
    source: 'own',
    why: 'a repeated submit makes another run after a restart',
    file: 'src/master/submit.ts',
    find: `      tx.put(keys.submitKey(keyDigest), pack({ runId: id, contentDigest }));`,
    replace: ``,
  },
  {
    name: 'key-of-another-content',
    source: 'own',
    shows: 'S25',
    why: 'a key that was used for another content is taken for a repetition',
    file: 'src/master/submit.ts',
    find: `    if (known.contentDigest !== contentDigest) throw keyConflict(`,
    replace: `    if (known.contentDigest === undefined) throw keyConflict(`,
    also: [
      {
        file: 'src/master/submit.ts',
        find: `    if (other !== undefined && other !== contentDigest) {`,
        replace: `    if (other === '') {`,
      },
    ],
  },
  {
    name: 'racing-contents-of-a-key',
    source: 'own',
    why: 'found once: of two that use one key at a time the second gets the run of the first',
    file: 'src/master/submit.ts',
    find: `    if (other !== undefined && other !== contentDigest) {`,
    replace: `    if (other === '') {`,
  },
  {
    name: 'blocker-ends-before-its-dependents-are-there',
    source: 'own',
    why: 'found once: a run of a job that is aborted at its submission tells nobody',
    file: 'src/master/submit.ts',
    find: `      for (const { prepared, id } of fresh) create(tx, prepared, id, by);`,
    replace: ``,
    also: [
      {
        file: 'src/master/submit.ts',
        find: `      for (const { id, ended } of fresh) {`,
        replace: `      for (const { prepared, id, ended } of fresh) {
        create(tx, prepared, id, by);`,
      },
    ],
  },
  {
    name: 'second-submit-unanswered',
    source: 'own',
    why: 'who repeats a submit that is under way is never answered',
    file: 'src/master/submit.ts',
    find: `    markDurable();`,
    replace: ``,
  },
  {
    name: 'abort-answered-early',
    source: 'own',
    shows: 'S23',
    why: 'an abort is answered before the run has ended',
    file: 'src/master/service.ts',
    find: `      return waitRun(runId, patience, new AbortController().signal);`,
    replace: `      return patience < 0 ? waitRun(runId, 0, new AbortController().signal) : getRun(runId);`,
  },
  {
    name: 'abort-told-before-it-is-so',
    source: 'own',
    why: 'an abort is answered with ABORTED whatever becomes of the run',
    file: 'src/master/service.ts',
    find: `      return waitRun(runId, patience, new AbortController().signal);`,
    replace: `      return { ...(await getRun(runId)), state: 'ABORTED' as const, patience };`,
  },
  {
    name: 'abort-of-what-is-done',
    source: 'own',
    why: 'who aborts a run that is done is told that it was aborted',
    file: 'src/master/service.ts',
    find: `      if (isDone(run.state)) return statusOf(run, baseUrl());`,
    replace: `      if (isDone(run.state)) return { ...statusOf(run, baseUrl()), state: 'ABORTED' as const };`,
  },
  {
    name: 'status-from-a-cache',
    source: 'own',
    shows: 'S17',
    why: 'who asks soon after another is told what that one was told',
    file: 'src/master/service.ts',
    find: `    const run = await yard.ledger.findRun(runId);
    if (run) return run;`,
    replace: `    const known = told.get(runId);
    if (known && clock.now() < known.until) return known.run;
    const run = await yard.ledger.findRun(runId);
    if (run) told.set(runId, { run, until: clock.now() + 5_000 });
    if (run) return run;`,
    also: [
      {
        file: 'src/master/service.ts',
        find: `  async function getRecord(runId: string): Promise<RunRecord> {`,
        replace: `  const told = new Map();
  async function getRecord(runId: string): Promise<RunRecord> {`,
      },
    ],
  },
  {
    name: 'last-event-told-again',
    source: 'own',
    shows: 'S32',
    why: 'a watcher that comes back is told once more what it heard last',
    file: 'src/master/feed.ts',
    find: `findIndex(({ seq }) => seq > at);`,
    replace: `findIndex(({ seq }) => seq >= at);`,
    also: [
      {
        file: 'src/master/feed.ts',
        find: `archive.eventsFrom(at + 1)`,
        replace: `archive.eventsFrom(at)`,
      },
    ],
  },
];
