/** A state with runs in every kind of standing, anew for each test, and what fsck says of it. */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { me, startCluster } from '../../../test/kit/cluster.ts';
import { until } from '../../../test/kit/until.ts';
import { runRequest } from '../../protocol/run.ts';
import { pieces } from '../store/blob-fixture.ts';
import { optionsOf, treeOf } from '../store/level-fixture.ts';
import { bundleKey } from '../submit.ts';
import type { Finding } from './finding.ts';
import { checkState } from './fsck.ts';

/** Made once, copied for each test. */
let pristine: string;
export let state: string;
/** A finished run with output, one that was tried thrice, and a job. */
export const ids = { plain: '', retried: '', job: '' };
const BUNDLE = Buffer.from('what a bundle would be');
export const bundle = `fs-${createHash('sha256').update(BUNDLE).digest('hex')}`;

beforeAll(async () => {
  pristine = mkdtempSync(join(tmpdir(), 'runyard-fsck-test-'));
  const cluster = await startCluster();
  try {
    await cluster.startSlave('s1');
    const { service, credentials } = cluster.master;
    const submit = async (request: object) => (await cluster.submit(request))[0]!;
    ids.plain = await submit({ argv: ['sh', '-c', 'echo out; echo err >&2'], key: 'once' });
    const retry = { backoffMs: 1, backoffMaxMs: 2 };
    ids.retried = await submit({ argv: ['false'], retries: 2, retry });
    const runs = [
      { name: 'a', argv: ['true'] },
      { name: 'b', argv: ['false'], after: ['a'] },
      { name: 'c', argv: ['true'], after: ['b', 'a'] },
    ].map((run) => runRequest.parse(run));
    const job = await service.submitJob({ name: 'j', runs }, me);
    ids.job = job.jobId;
    for (const id of [ids.plain, ids.retried, ...job.runs]) await cluster.done(id);
    const onSlave = await submit({ argv: ['sleep', '60'] });
    await until(async () => (await service.getRun(onSlave)).substate === 'executing');
    const held = await submit({ argv: ['true'], held: true, after: [onSlave] });
    await service.releaseRun(held, me);
    await submit({ argv: ['true'], held: true, arch: 'aarch64' });
    await credentials.create({ kind: 'user', name: 'ci', scopes: ['read'] });
    await cluster.blobs.put(bundleKey(bundle), pieces(BUNDLE), { bytesMax: 1000 });
    await submit({ argv: ['true'], arch: 'aarch64', bundle });
    await cluster.master.stop();
    cpSync(join(cluster.root, 'state'), pristine, { recursive: true });
    cpSync(join(cluster.root, 'blobs'), join(pristine, 'blobs'), { recursive: true });
  } finally {
    await cluster.stop();
  }
}, 60_000);
afterAll(() => rmSync(pristine, { recursive: true, force: true }));

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'runyard-fsck-test-'));
  cpSync(pristine, state, { recursive: true });
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

/** Looks at the state, which must not change by that. */
export async function check(more: { deep?: boolean; eventsMax?: number } = {}) {
  const found: Finding[] = [];
  const scratch = mkdtempSync(join(tmpdir(), 'runyard-fsck-scratch-'));
  const before = treeOf(state);
  try {
    const onFinding = (finding: Finding) => void found.push(finding);
    const ports = { ...optionsOf(state), scratch, onFinding };
    const summary = await checkState({ ...ports, deep: true, ...more });
    expect(readdirSync(scratch)).toEqual([]);
    return { summary, found, codes: [...new Set(found.map(({ code }) => code))].toSorted() };
  } finally {
    expect(treeOf(state)).toEqual(before);
    rmSync(scratch, { recursive: true });
  }
}
