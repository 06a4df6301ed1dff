/** All benches, one after the other, or those that are named: `npm run bench -- noop latency`. */
import { spawn } from 'node:child_process';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { checkBuild } from './kit/yard.mjs';

const BENCHES = ['noop', 'process', 'latency', 'pending'];

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !BENCHES.includes(name));
if (unknown.length > 0) {
  console.error(`no bench ${unknown.join(', ')}; there are ${BENCHES.join(', ')}`);
  process.exit(64);
}
checkBuild();
const processors = cpus();
console.log(
  `Node ${process.version}, Linux ${release()}, ${processors.length} x ${processors[0].model}`,
);

const missed = [];
for (const name of asked.length > 0 ? asked : BENCHES) {
  const script = join(import.meta.dirname, `${name}.mjs`);
  const child = spawn(process.execPath, [script], { stdio: 'inherit' });
  const status = await new Promise((resolve) => child.once('exit', resolve));
  if (status !== 0) missed.push(name);
}
if (missed.length > 0) console.log(`\nmissed or failed: ${missed.join(', ')}`);
process.exit(missed.length > 0 ? 1 : 0);
