/**
 * What a seed decides beforehand, as plain data: the cluster, the runs, what people do, and every
 * fault. A scenario can be shrunk and saved; how it goes then follows from it alone.
 */
import type { RunRequestInput } from '../../src/protocol/run.ts';
import type { BuggifySite } from '../../src/base/buggify.ts';
import type { DiskOptions } from './disk.ts';
import type { NetOptions } from './net.ts';
import type { TaskPlan } from './tasks.ts';

export type Profile = 'calm' | 'master' | 'everything';

export interface SlavePlan {
  name: string;
  arch: string;
  labels: Record<string, string>;
  slots: number;
  resources: Record<string, number>;
  /** Absent: none but 'none'. */
  isolations?: string[];
  rate: number;
  wallOffsetMs: number;
  joinsAtMs: number;
  /** The highest protocol that it speaks, where that is not ours. */
  protocolMax?: string;
}

export interface RunPlan {
  /** Which run it is, whatever is left out around it. */
  index: number;
  atMs: number;
  client: number;
  request: RunRequestInput;
  task: TaskPlan;
  abortAtMs?: number;
  /** Another client submits the same at the same time. */
  twice?: boolean;
  /** Someone uses its key for something else. */
  conflict?: boolean;
  rerun?: boolean;
  /** Another client uses its key for something else at the same time. */
  rival?: boolean;
  /** Indices of earlier runs that must end well first. */
  after?: number[];
  /** It is submitted together with the others of that job. */
  job?: number;
  /** Somebody looks on from its submission on. */
  isWatched?: boolean;
  /** Nothing of it is to start for so long. With `held` in its request that begins at once. */
  hold?: HoldPlan;
}

export interface HoldPlan {
  atMs: number;
  forMs: number;
  /** While the run goes on it cannot be held: somebody asks until it waits again, or is done. */
  insists?: boolean;
}

/** Its runs name it. */
export interface JobPlan {
  number: number;
  atMs: number;
  client: number;
  abortAtMs?: number;
}

/** What people ask of slaves. */
export interface DrainPlan {
  atMs: number;
  slave: string;
  /** Until it is resumed; absent: until the faults end. */
  forMs?: number;
}

export const FAULT_KINDS = [
  'master.kill',
  'master.power',
  'master.stop',
  'master.pause',
  'master.slow',
  'master.clock',
  'master.disk.fail',
  'master.disk.full',
  'master.disk.damage',
  'master.loop',
  'slave.kill',
  'slave.power',
  'slave.pause',
  'slave.slow',
  'slave.clock',
  'slave.leave',
  'slave.gone',
  'slave.wipe',
  'slave.disk.full',
  'slave.disk.fail',
  'slave.disk.swap',
  'slave.loop',
  'slave.skew',
  'slave.twin',
  'net.cut',
  'net.block',
  'net.blockIn',
  'net.blockOut',
  'net.slow',
  'net.swizzle',
  'net.flap',
  'client.block',
  'storm',
  'master.deposed',
  'slave.foreign',
  'net.echo',
  'stranger',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  /** Names its stream of chance, so that leaving out another moves nothing here. */
  id: number;
  atMs: number;
  kind: FaultKind;
  /** Whom it strikes, where it strikes one of several. */
  slave: string;
  forMs: number;
  /** How strong, in [0, 1). */
  size: number;
}

export interface Scenario {
  seed: string;
  profile: Profile;
  leaseMs: number;
  net: NetOptions;
  disk: DiskOptions;
  masterRate: number;
  masterWallOffsetMs: number;
  /** Places in the code where something rare happens, until all is well, and how often. */
  buggify?: { sites: BuggifySite[]; rate: number } | undefined;
  /** How long a dead process stays away, at most. */
  restartMaxMs: number;
  slaves: SlavePlan[];
  clients: number;
  runs: RunPlan[];
  jobs: JobPlan[];
  drains: DrainPlan[];
  /** A slave that is drained once all is well, until it has nothing left. */
  drainsAfter?: string | undefined;
  faults: Fault[];
  /** People watch, list and follow all the time. */
  isRead?: boolean;
  /** From then on all is well, but for slaves that are gone for ever. */
  healsAtMs: number;
}
