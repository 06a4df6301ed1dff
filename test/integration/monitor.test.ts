import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import type { Log } from '../../src/base/log.ts';
import { runTable } from '../../src/master/ledger.ts';
import { startMaster } from '../../src/master/main.ts';
import { runRequest } from '../../src/protocol/run.ts';
import { until } from '../kit/until.ts';
import { me } from '../kit/yard.ts';

test('a master that finds a breach counts it, logs it, keeps it without secrets, and goes on', async () => {
  const root = mkdtempSync(join(tmpdir(), 'runyard-monitor-'));
  const { decide } = runTable;
  const errors: object[] = [];
  const log: Log = { ...silentLog, error: (fields) => void errors.push(fields) };
  const master = await startMaster({ state: root, host: '127.0.0.1', port: 0, log });
  try {
    const { service } = master.master;
    const submit = async () =>
      (await service.submit([runRequest.parse({ argv: ['true'] })], me))[0]!.runId;
    const id = await submit();
    // As a bug of the machine would.
    runTable.decide = (state, context, event) => {
      const decision = decide(state, context, event)!;
      const wrong = { attempt: 3, settled: 3, token: 'a secret' };
      return { ...decision, context: { ...decision.context, ...wrong } };
    };
    await service.abortRun(id, me, 'enough');
    runTable.decide = decide;
    expect(errors).toMatchObject([{ code: 'monitor.breach', invariant: 'S3', run: id }]);
    const metrics = await (await fetch(`${master.url}/metrics`)).text();
    expect(metrics).toContain('runyard_invariant_breaches_total{invariant="S3"} 1\n');
    expect(metrics).toContain('runyard_invariant_breaches_total{invariant="S1"} 0\n');
    const kept = join(root, 'breaches');
    await until(() => readdirSync(root).includes('breaches') && readdirSync(kept).length === 1);
    const [name] = readdirSync(kept);
    expect(name).toMatch(new RegExp(`^S3-${id}-\\d+\\.json$`));
    await until(() => readFileSync(join(kept, name!), 'utf8').endsWith('}\n'));
    const text = readFileSync(join(kept, name!), 'utf8');
    expect(text).not.toContain('a secret');
    expect(JSON.parse(text)).toMatchObject({
      invariant: 'S3',
      run: { id, state: 'ABORTED' },
      history: [{ n: 1 }, { n: 2, state: 'ABORTED' }],
    });
    expect((await service.getRun(await submit())).state).toBe('PENDING');
  } finally {
    runTable.decide = decide;
    await master.close();
    rmSync(root, { recursive: true });
  }
});
