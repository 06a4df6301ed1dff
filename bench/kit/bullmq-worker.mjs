/** A BullMQ worker: does nothing, or spawns /bin/true and waits for its end. */
import { spawn } from 'node:child_process';
import { Worker } from 'bullmq';

const [port, concurrency, task] = process.argv.slice(2);

const noop = async () => {};
const runProcess = () =>
  new Promise((resolve, reject) => {
    const child = spawn('/bin/true', { stdio: 'ignore' });
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`exited ${code}`))));
  });

const worker = new Worker('bench', task === 'noop' ? noop : runProcess, {
  connection: { host: '127.0.0.1', port: Number(port) },
  concurrency: Number(concurrency),
});
// Redis is ended before the workers: that they lose it then is no news.
worker.on('error', () => {});
await worker.waitUntilReady();
process.send('up');
process.once('SIGTERM', () => process.exit(0));
process.once('disconnect', () => process.exit(0));
