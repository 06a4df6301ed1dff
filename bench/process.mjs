/** Real processes: /bin/true through one slave, beside `xargs -P2`. */
import { median, spread, table, title, verdict } from './kit/figures.mjs';
import { cpuUs, withProcesses } from './kit/processes.mjs';
import { checkBuild, runMany, since, startMaster, startSlave } from './kit/yard.mjs';

const ROUNDS = 7;
/** Of each round, and of one before the first: until the programs of both are compiled. */
const RUNS = 8_000;
/** Tasks this short spend more time on the way than at work; fewer slots leave the cores idle. */
const SLOTS = 128;
const TARGET = 0.6;

checkBuild();
title('process: /bin/true, submit -> completion recorded', [
  `runyard: ${RUNS} runs a round, POST /api/runs with 500 each, 2 lanes, completions counted on`,
  `  /api/watch; one slave, --slots ${SLOTS}, outputs kept`,
  `xargs: seq ${RUNS} | xargs -P2 -n1 /bin/true`,
]);

const isMet = await withProcesses(async (place) => {
  const master = await startMaster(place);
  const slave = await startSlave(place, { url: master.url, slots: SLOTS });
  const argv = ['/bin/true'];
  await runMany(master, argv, RUNS);

  const [ours, theirs, masterUs, slaveUs] = [[], [], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    const before = [cpuUs(master.pid).own, cpuUs(slave.pid).own];
    ours.push((RUNS / (await runMany(master, argv, RUNS))) * 1000);
    masterUs.push((cpuUs(master.pid).own - before[0]) / RUNS);
    slaveUs.push((cpuUs(slave.pid).own - before[1]) / RUNS);

    const startedAt = performance.now();
    const xargs = place.start('sh', ['-c', `seq ${RUNS} | xargs -P2 -n1 /bin/true`]);
    const { code } = await xargs.ended;
    if (code !== 0) throw new Error(`xargs ended with ${code}`);
    theirs.push((RUNS / since(startedAt)) * 1000);
  }
  master.client.close();

  table(
    ['', 'processes/s', 'master CPU us/run', 'slave CPU us/run'],
    [
      ['runyard', spread(ours), spread(masterUs), spread(slaveUs)],
      ['xargs -P2', spread(theirs), '-', '-'],
    ],
  );
  const ratios = ours.map((own, round) => own / theirs[round]);
  const target = `>= ${TARGET} x, aim 1 x`;
  const isMet = median(ratios) >= TARGET;
  return verdict('runyard / xargs -P2', `${spread(ratios, 2)} x`, isMet, target);
});
process.exit(isMet ? 0 : 1);
