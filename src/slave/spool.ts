/** What a slave must not forget while its master is away or it restarts itself. */
import type { FinishedReport } from '../protocol/to-master.ts';
import type { Assignment } from '../protocol/to-slave.ts';
import type { AttemptKey } from './ports.ts';

export interface Spool {
  keepAssignment: (key: AttemptKey, assignment: Assignment) => Promise<void>;
  keepReport: (key: AttemptKey, report: FinishedReport) => Promise<void>;
  /** Both go with the attempt's directory, once the master has acknowledged. */
  read: (
    key: AttemptKey,
  ) => Promise<{ assignment: Assignment | undefined; report: FinishedReport | undefined }>;
  keepEpoch: (masterEpoch: number) => Promise<void>;
  readEpoch: () => Promise<number>;
  /** Whether the master has drained this slave. */
  keepDrained: (drained: boolean) => Promise<void>;
  readDrained: () => Promise<boolean>;
}
