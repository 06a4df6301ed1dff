/** What follows from a run's origin, which alone is written. */
import type { RunLimits } from '../machines/run-context.ts';
import { normalArch } from '../protocol/run.ts';
import type { RunRequest } from '../protocol/run.ts';
import type { RunFacts, RunOrigin } from './records.ts';

const NAME_CHARS_MAX = 200;

export function factsOf({ request, job, requestor, createdAt }: RunOrigin): RunFacts {
  const { name, argv, formula, labels, resources, bundle } = request;
  const { isolation, priority, exclusive } = request;
  return {
    name: name ?? (formula?.item ?? argv?.join(' '))?.slice(0, NAME_CHARS_MAX),
    job,
    arch: wantedArch(request.arch),
    labels: isEmpty(labels) ? NONE : labels,
    resources: isEmpty(resources) ? NONE : resources,
    isolation,
    priority,
    exclusive,
    requestor,
    bundle,
    createdAt,
  };
}

/** Shared by all that have none: a hundred thousand runs may wait. */
const NONE: Record<string, never> = {};

function isEmpty(map: object): boolean {
  for (const _ in map) return false;
  return true;
}

/** The family of machines that a request is for; undefined: any. */
export function wantedArch(arch: string | undefined): string | undefined {
  return arch === undefined || arch === 'noarch' || arch === 'any' ? undefined : normalArch(arch);
}

/** Nearly all runs have one of a few sets of limits, so those are shared too. */
const known = new Map<string, RunLimits>();
const KNOWN_MAX = 1000;

/** The last one asked for: those who submit many ask for the same. */
let latest: RunLimits | undefined;

export function limitsOf(request: RunRequest): RunLimits {
  const { retries, retry, timeoutMs, queueTimeoutMs, graceMs, lostMax } = request;
  const { exitCodes, reasons, backoffMs, backoffMaxMs } = retry;
  if (
    latest &&
    latest.retries === retries &&
    latest.exitCodes === exitCodes &&
    latest.reasons === reasons &&
    latest.backoffMs === backoffMs &&
    latest.backoffMaxMs === backoffMaxMs &&
    latest.timeoutMs === timeoutMs &&
    latest.queueTimeoutMs === queueTimeoutMs &&
    latest.graceMs === graceMs &&
    latest.lostMax === lostMax
  ) {
    return latest;
  }
  const limits: RunLimits = {
    retries,
    exitCodes,
    reasons,
    backoffMs,
    backoffMaxMs,
    timeoutMs,
    queueTimeoutMs,
    graceMs,
    lostMax,
  };
  const key = JSON.stringify(limits);
  const same = known.get(key);
  if (same) return (latest = same);
  if (known.size < KNOWN_MAX) known.set(key, limits);
  return (latest = limits);
}
