import { sha256Of } from '../base/sha256.ts';
import { buggify } from '../base/buggify.ts';
import { sleep } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { YardError, nearest, quote } from '../base/errors.ts';
import type { Ids } from '../base/random.ts';
import type { RunInput } from '../machines/run-context.ts';
import { parseBundleRef } from '../protocol/bundle-ref.ts';
import { ARCHES, isDone } from '../protocol/run.ts';
import type { RunRequest } from '../protocol/run.ts';
import type { Principal, Submitted } from '../protocol/service.ts';
import type { Transaction } from './ledger.ts';
import { wantedArch } from './origin.ts';
import { keys, pack, unpack } from './records.ts';
import type { RunOrigin, RunRecord } from './records.ts';
import type { BlobStore, StateStore } from './store/port.ts';
import { badEndOf } from './yard.ts';
import type { Yard } from './yard.ts';

export interface SubmitPorts {
  yard: Yard;
  store: StateStore;
  blobs: BlobStore;
  clock: Clock;
  ids: Ids;
  allowGitFile: boolean;
}

const RECENT_KEYS_MAX = 10_000;

interface RecentKey {
  runId: string;
  contentDigest: string;
  durable: Promise<void>;
}

interface Looked {
  prepared: Prepared;
  /** Blockers that are done already. */
  ended: RunRecord[];
  /** What the store knows of its key. */
  earlier: Pick<RecentKey, 'runId'> | undefined;
}

interface Prepared {
  origin: RunOrigin;
  input: { blockers: string[]; hold: RunInput['hold'] };
  /** Set where a client's key names the run. */
  keyDigest?: string;
  contentDigest?: string;
}

export function bundleKey(id: string): string {
  return `b/${id}`;
}

export type Submit = ReturnType<typeof makeSubmit>['submit'];

/** Turns requests into runs: all of one call in one commit, synced before it resolves (step 1). */
export function makeSubmit(ports: SubmitPorts) {
  const { yard, store, clock, ids } = ports;
  /** Keys of late submits: what the store may not show yet, and when it will be durable. */
  const recent = new Map<string, RecentKey>();

  function prepare(request: RunRequest, by: Principal, job: string | undefined): Prepared {
    checkArch(request.arch);
    const requestor = request.requestor ?? (by.kind === 'anonymous' ? undefined : by.name);
    const prepared: Prepared = {
      origin: { request, job, requestor, createdAt: clock.wall() },
      input: {
        blockers: [],
        hold: holdAtSubmit(request, by.name),
      },
    };
    if (request.key !== undefined) {
      prepared.keyDigest = sha256Of(`${by.name}\0${request.key}`);
      prepared.contentDigest = sha256Of(JSON.stringify(sorted(request)));
    }
    return prepared;
  }

  /** The run that an earlier submit with this key made; other content is an error (S25). */
  async function findByKey({ keyDigest, contentDigest, origin }: Prepared) {
    if (keyDigest === undefined) return undefined;
    const entry = recent.has(keyDigest) ? undefined : await store.get(keys.submitKey(keyDigest));
    const known =
      recent.get(keyDigest) ?? (entry && unpack<Omit<RecentKey, 'durable'>>(entry.value));
    if (!known) return undefined;
    if (known.contentDigest !== contentDigest) throw keyConflict(origin.request.key, known.runId);
    return known;
  }

  function create(tx: Transaction, prepared: Prepared, id: string, by: Principal): RunRecord {
    const { origin, input, keyDigest, contentDigest } = prepared;
    if (keyDigest !== undefined && contentDigest !== undefined) {
      tx.put(keys.submitKey(keyDigest), pack({ runId: id, contentDigest }));
    }
    return tx.createRun(id, origin, input, by.name);
  }

  /** Blockers that ended well are none; one that ended badly aborts its dependent at once. */
  async function resolveBlockers(prepared: Prepared, among: ReadonlySet<string>) {
    const ended: RunRecord[] = [];
    const blockers: string[] = [];
    for (const id of new Set(prepared.origin.request.after)) {
      const live = yard.ledger.live(id);
      if (among.has(id) || (live && !isDone(live.state))) {
        blockers.push(id);
        continue;
      }
      const run = live ?? (await yard.ledger.findRun(id));
      // Time for another that it waits for to end.
      if (buggify(clock, 'master.submit.late')) await sleep(clock, 3);
      if (!run) throw new YardError('run.unknown', `after: no run ${quote(id)}`);
      if (badEndOf(run) !== undefined) {
        blockers.push(id);
        ended.push(run);
      }
    }
    prepared.input.blockers = blockers;
    return ended;
  }

  async function submit(
    requests: readonly RunRequest[],
    by: Principal,
    job?: { id: string; ids: string[]; note: (tx: Transaction) => void },
  ): Promise<Submitted[]> {
    const among = new Set(job?.ids);
    const looked: Looked[] = [];
    for (const request of requests) {
      const prepared = prepare(request, by, job?.id);
      // Most have nothing to look up, and a turn of the loop each would cost as much as the rest.
      if (request.bundle !== undefined) await checkBundle(request.bundle, ports);
      const earlier = request.key === undefined ? undefined : await findByKey(prepared);
      looked.push({ prepared, ended: [], earlier });
    }
    await resolveAll(looked, among);

    // From here to the commit nothing else runs: what was looked up still holds.
    checkRacingKeys(looked, recent);
    let markDurable: () => void = () => {};
    const durable = new Promise<void>((resolve) => (markDurable = resolve));
    const others: Promise<void>[] = [];
    const fresh: { prepared: Prepared; id: string; ended: RunRecord[] }[] = [];
    const results = looked.map(({ prepared, ended, earlier }, index): Submitted => {
      const { keyDigest, contentDigest } = prepared;
      const known = keyDigest === undefined ? undefined : (recent.get(keyDigest) ?? earlier);
      if (known) {
        if ('durable' in known && known.durable !== durable)
          others.push(known.durable as Promise<void>);
        return { runId: known.runId, created: false };
      }
      const id = job?.ids[index] ?? ids.sortable(clock.wall());
      if (keyDigest !== undefined && contentDigest !== undefined) {
        recent.set(keyDigest, { runId: id, contentDigest, durable });
      }
      fresh.push({ prepared, id, ended });
      return { runId: id, created: true };
    });
    await yard.transact((tx) => {
      job?.note(tx);
      for (const { prepared, id } of fresh) create(tx, prepared, id, by);
      // Only then: the end of one is told to those that are there to wait for it.
      for (const { id, ended } of fresh) {
        for (const blocker of ended) {
          const why = badEndOf(blocker) ?? '';
          const at = clock.wall();
          const type = why === '' ? 'run.unblocked' : 'run.blockerFailed';
          tx.run(id, { type, at, blocker: blocker.id, why }, 'master');
        }
      }
    });
    markDurable();
    await Promise.all(others);
    for (const key of recent.keys()) {
      if (recent.size <= RECENT_KEYS_MAX) break;
      recent.delete(key);
    }
    return results;
  }

  function isWaiting(id: string): boolean {
    const run = yard.ledger.live(id);
    return run !== undefined && !isDone(run.state);
  }

  /** Looks blockers up until none of them ends while the others are looked up. */
  async function resolveAll(looked: Looked[], among: ReadonlySet<string>): Promise<void> {
    const waits = ({ prepared }: Looked) => prepared.origin.request.after.length > 0;
    const isStale = ({ prepared, ended }: Looked) =>
      prepared.input.blockers.some(
        (id) => !among.has(id) && !isWaiting(id) && !ended.some((blocker) => blocker.id === id),
      );
    let open = looked.filter(waits);
    while (open.length > 0) {
      for (const one of open) one.ended = await resolveBlockers(one.prepared, among);
      open = looked.filter((one) => waits(one) && isStale(one));
    }
  }

  return { submit };
}

/** Those that race: one came while the other was looked up, or both came in one call (S25). */
function checkRacingKeys(looked: readonly Looked[], recent: ReadonlyMap<string, RecentKey>): void {
  const among = new Map<string, string>();
  for (const { prepared } of looked) {
    const { keyDigest, contentDigest, origin } = prepared;
    if (keyDigest === undefined || contentDigest === undefined) continue;
    const other = recent.get(keyDigest)?.contentDigest ?? among.get(keyDigest);
    if (other !== undefined && other !== contentDigest) {
      throw keyConflict(origin.request.key, recent.get(keyDigest)?.runId);
    }
    among.set(keyDigest, contentDigest);
  }
}

function keyConflict(key: string | undefined, runId: string | undefined): YardError {
  const by = runId === undefined ? 'in the same call' : `for run ${runId}`;
  return new YardError('key.conflict', `key ${quote(key)} was used ${by} with another content`, {
    hint: 'choose another key, or repeat the same request',
  });
}

/** What a run is held by from its submission on. */
export function holdAtSubmit({ held }: RunRequest, by: string): RunInput['hold'] {
  return held ? { by, note: 'held at submit' } : undefined;
}

function checkArch(text: string | undefined): void {
  const arch = wantedArch(text);
  if (arch === undefined || (ARCHES as readonly string[]).includes(arch)) return;
  const like = nearest(text!, ARCHES);
  throw new YardError('input.arch', `${quote(text)} unknown`, {
    hint: like ? `did you mean "${like}"?` : `known: ${ARCHES.join(', ')}`,
  });
}

async function checkBundle(ref: string, { blobs, allowGitFile }: SubmitPorts): Promise<void> {
  const parsed = parseBundleRef(ref, allowGitFile ? ['https', 'ssh', 'file'] : undefined);
  if (parsed.kind === 'git') return;
  const held = await blobs.stat(bundleKey(parsed.id));
  if (!held?.sealed) {
    throw new YardError('bundle.unknown', `${parsed.id} is not here`, { hint: 'upload it first' });
  }
}

/** The same content in the same order, whoever wrote it. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)]),
  );
}
