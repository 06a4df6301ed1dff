/** What can be done to runs, each asked about first, with counts. */
import type { RunStatus } from '../../protocol/run.ts';
import { post, segment } from '../base/api.ts';
import { plural } from '../base/text.ts';
import { attempt } from '../base/use.ts';
import { isDone } from '../base/words.ts';
import { navigate } from '../base/router.ts';
import { confirm } from '../parts/dialog.tsx';

const path = (id: string) => `/api/runs/${segment(id)}`;

export async function abortRuns(runs: readonly RunStatus[]): Promise<boolean> {
  const live = runs.filter(({ state }) => !isDone(state));
  if (live.length === 0) return attempt(async () => 'None of them is left to abort.');
  const running = live.filter(({ state }) => state === 'RUNNING').length;
  const given = await confirm({
    title:
      live.length === 1 ? `Abort run ${live[0]!.runId}?` : `Abort ${plural(live.length, 'run')}?`,
    text:
      `${plural(running, 'run')} on slaves will be stopped, ` +
      `${plural(live.length - running, 'run')} will never start.` +
      (live.length < runs.length
        ? ` ${plural(runs.length - live.length, 'run')} are done already.`
        : ''),
    field: { label: 'Why', isNeeded: false },
    verb: live.length === 1 ? 'Abort it' : `Abort ${live.length}`,
    isDanger: true,
  });
  if (!given) return false;
  return attempt(async () => {
    const ends = await each(live, (run) =>
      post<RunStatus>(`${path(run.runId)}/abort`, { why: given.text }),
    );
    const aborted = ends.filter(({ state }) => state === 'ABORTED').length;
    return live.length === 1
      ? `It is ${ends[0]!.state}.`
      : `${aborted} of ${live.length} ended as ABORTED.`;
  });
}

export async function rerunRuns(runs: readonly RunStatus[]): Promise<boolean> {
  if (runs.length !== 1) {
    const given = await confirm({
      title: `Run ${plural(runs.length, 'request')} again?`,
      text: `${plural(runs.length, 'new run')} will be submitted, each as it was asked for.`,
      verb: `Run ${runs.length} again`,
    });
    if (!given) return false;
  }
  return attempt(async () => {
    const made = await each(runs, ({ runId }) => post<{ runId: string }>(`${path(runId)}/rerun`));
    if (made.length === 1) navigate(`/runs/${made[0]!.runId}`);
    return made.length === 1
      ? `Submitted again as ${made[0]!.runId}.`
      : `${plural(made.length, 'run')} submitted.`;
  });
}

export async function holdRun(run: RunStatus): Promise<boolean> {
  const given = await confirm({
    title: `Hold run ${run.runId}?`,
    text: 'It will not be started until it is released.',
    field: { label: 'Note', isNeeded: false },
    verb: 'Hold it',
  });
  if (!given) return false;
  return attempt(async () => {
    await post(`${path(run.runId)}/hold`, { note: given.text });
    return 'It is held.';
  });
}

export function releaseRun(run: RunStatus): Promise<boolean> {
  return attempt(async () => {
    await post(`${path(run.runId)}/release`);
    return 'It is released.';
  });
}

const AT_ONCE = 8;

/** A few at a time, so that a thousand do not queue in the browser. */
async function each<T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(from, from + AT_ONCE).map(act))));
  }
  return results;
}
