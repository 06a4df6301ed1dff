import type { FinishedReport, ToMaster } from '../../../src/protocol/to-master.ts';
import type { JobStatus } from '../../../src/protocol/http.ts';
import type { RunRequest, RunStatus } from '../../../src/protocol/run.ts';
import type { ToSlave } from '../../../src/protocol/to-slave.ts';
import type { SimProcess } from '../exec.ts';
import type { Change, Mirror } from './mirror.ts';
import type { Disk } from '../disk.ts';
import type { Invariant } from './invariants.ts';
import type { Probe } from './probes.ts';
import type { BlobDisk } from '../blobs.ts';
import type { Fault, Scenario } from '../scenario.ts';
import type { SimSlave } from '../slave.ts';
import type { SimMaster } from '../master.ts';
import type { Kernel } from '../kernel.ts';

/** A connection that the master accepted, as it knows it. */
export interface Session {
  readonly number: number;
  slave: string | undefined;
  incarnation: string | undefined;
  reports: readonly FinishedReport[];
  /** The highest that its slave speaks, major.minor. */
  protocolMax: string;
  welcomed: boolean;
  isOver: boolean;
}

/** What a client was told, at the instant at which the master said it. */
export type Answer =
  /** `asked`: to be compared with what is on disk. */
  | { kind: 'submitted'; index: number; runId: string; asked?: RunRequest }
  | { kind: 'job'; status: JobStatus; isAborted: boolean }
  | { kind: 'status'; status: RunStatus }
  | { kind: 'aborted'; status: RunStatus }
  | { kind: 'drained' | 'resumed'; slave: string };

/** What an oracle may hear; each says what is wrong by `report`. */
export interface Oracle {
  onChange?: (change: Change) => void;
  onMasterSends?: (session: Session, message: ToSlave) => void;
  onMasterHears?: (session: Session, message: ToMaster) => void;
  /** The master queues a commit of its own accord or, with a session, because of a frame of it. */
  onCommit?: (isEmpty: boolean, because: Session | undefined) => void;
  onSlaveHears?: (slave: SimSlave, message: ToSlave) => void;
  onSlaveSends?: (slave: SimSlave, message: ToMaster) => void;
  onSpawn?: (slave: SimSlave, process: SimProcess) => void;
  onExit?: (slave: SimSlave, process: SimProcess) => void;
  onAppend?: (key: string, offset: number, bytes: Uint8Array, size: number) => void;
  /** `askedAtMs`: when the question had reached the master. */
  onAnswer?: (answer: Answer, askedAtMs: number) => void;
  /** Somebody begins to ask that the slave takes work again, or has his answer. */
  onResume?: (slave: string, isOver: boolean) => void;
  onMasterServes?: () => void;
  /** Before it strikes. */
  onFault?: (fault: Fault) => void;
  onHeal?: () => void;
  /** A slave was drained for so long that all that it had must have ended. */
  onDrainOver?: (slave: string) => void;
  /** The world has come to rest, or will not. */
  onEnd?: (isStuck: boolean) => void;
}

/** What oracles can see of the world. */
export interface Sight {
  readonly kernel: Kernel;
  readonly scenario: Scenario;
  readonly mirror: Mirror;
  readonly blobs: BlobDisk;
  readonly master: SimMaster;
  readonly slaves: ReadonlyMap<string, SimSlave>;
  /** Requests of clients that have no answer yet. */
  readonly openRequests: () => readonly string[];
  readonly healedAtMs: number | undefined;
  readonly nowMs: number;
  readonly disk: Disk;
  report: (oracle: Invariant, what: string) => void;
  /** It has happened. */
  probe: (name: Probe) => void;
}

export type MakeOracle = (sight: Sight) => Oracle;
