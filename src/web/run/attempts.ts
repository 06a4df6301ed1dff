/** Where the time of a run went, attempt by attempt. Pure. */
import type { RunStep } from '../../protocol/devtools.ts';
import { parseInstant } from '../base/clock.ts';
import { isDone } from '../base/words.ts';
import type { GanttBar, GanttRow } from '../parts/gantt.tsx';

/** What is pending belongs to the attempt that it waits for. */
export function attemptRows(steps: readonly RunStep[], endMs: number, base: string): GanttRow[] {
  const rows = new Map<number, { slaves: Set<string>; bars: GanttBar[]; end: string }>();
  for (const [index, step] of steps.entries()) {
    const next = steps[index + 1];
    if (isDone(step.after)) {
      const last = [...rows.values()].at(-1);
      if (last) last.end = `${step.after}${step.reason ? `: ${step.reason}` : ''}`;
      continue;
    }
    const granted = Number(step.context['attempt'] ?? 0);
    const isWaiting = step.after.startsWith('PENDING') && step.after !== 'PENDING.assigned';
    const attempt = isWaiting ? granted + 1 : Math.max(1, granted);
    const row = rows.get(attempt) ?? { slaves: new Set<string>(), bars: [], end: '' };
    rows.set(attempt, row);
    if (typeof step.context['slave'] === 'string') row.slaves.add(step.context['slave']);
    const fromMs = parseInstant(step.at);
    const toMs = next ? parseInstant(next.at) : endMs;
    const before = row.bars.at(-1);
    if (before && before.state === step.after && before.toMs === fromMs) {
      before.toMs = toMs;
      continue;
    }
    const href = `${base}/machine?at=${step.seq}`;
    row.bars.push({ state: step.after, fromMs, toMs, href, title: step.after });
  }
  return [...rows].map(([attempt, { slaves, bars, end }]) => ({
    name: `attempt ${attempt}`,
    more: [...slaves].join(', '),
    bars,
    end,
  }));
}

/** How long it was in each state, the longest first. */
export function timesOf(steps: readonly RunStep[], endMs: number): [state: string, ms: number][] {
  const times = new Map<string, number>();
  for (const [index, { at, after }] of steps.entries()) {
    if (isDone(after)) break;
    const next = steps[index + 1];
    const ms = (next ? parseInstant(next.at) : endMs) - parseInstant(at);
    times.set(after, (times.get(after) ?? 0) + ms);
  }
  return [...times].sort(([, a], [, b]) => b - a);
}
