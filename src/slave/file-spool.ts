import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Packr, Unpackr } from 'msgpackr';
import { finishedReport } from '../protocol/to-master.ts';
import { assignment as assignmentSchema } from '../protocol/to-slave.ts';
import type { Spool } from './spool.ts';

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/**
 * The spool in the attempts' own directories. Not synced: it is there for a killed process; after a
 * power cut the attempt is lost and its run is given to another (promise 2).
 */
export function makeFileSpool(workDir: string): Spool {
  const at = (key: string, name: string) => join(workDir, 'attempts', key, name);

  /** Written once each: one that is not whole does not decode, and was never acted on. */
  function writeOnce(path: string, value: unknown): void {
    writeFileSync(path, packr.pack(value));
  }

  function replace(path: string, value: unknown): void {
    writeFileSync(`${path}.new`, packr.pack(value));
    renameSync(`${path}.new`, path);
  }

  function read(path: string): unknown {
    try {
      return unpackr.unpack(readFileSync(path));
    } catch {
      // Not written, or not wholly: then it was never acted on.
      return undefined;
    }
  }

  return {
    keepAssignment: async (key, assignment) => writeOnce(at(key, 'assignment'), assignment),
    keepReport: async (key, report) => writeOnce(at(key, 'report'), report),
    async read(key) {
      const assignment = assignmentSchema.safeParse(read(at(key, 'assignment')));
      const report = finishedReport.safeParse(read(at(key, 'report')));
      return { assignment: assignment.data, report: report.data };
    },
    keepEpoch: async (masterEpoch) => replace(join(workDir, 'epoch'), masterEpoch),
    async readEpoch() {
      const epoch = read(join(workDir, 'epoch'));
      return typeof epoch === 'number' ? epoch : 0;
    },
  };
}
