import { attemptOracles } from './attempts.ts';
import { clientOracles } from './clients.ts';
import { deadlineOracles } from './deadlines.ts';
import { frameOracles } from './frames.ts';
import { graphOracles } from './graphs.ts';
import { historyOracles } from './history.ts';
import { livenessOracles } from './liveness.ts';
import type { MakeOracle } from './oracle.ts';
import { outputOracles } from './outputs.ts';
import { probeOracle } from './probes.ts';
import { readerOracles } from './readers.ts';
import { sessionOracles } from './sessions.ts';

export const ORACLES: readonly MakeOracle[] = [
  historyOracles,
  outputOracles,
  attemptOracles,
  frameOracles,
  sessionOracles,
  clientOracles,
  graphOracles,
  deadlineOracles,
  livenessOracles,
  readerOracles,
  probeOracle,
];
