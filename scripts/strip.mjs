/**
 * Takes the simulator's chances out of what is built to serve: each `buggify(clock, 'site')` becomes
 * `false`, which the engine then drops. Run again over what is stripped already, it changes nothing.
 */
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const dist = resolve(import.meta.dirname, '..', 'dist');
const CALL = /\bbuggify\([\w$.]+, '[\w.]+'\)/g;
const IMPORT = /^import \{ buggify \} from '[./\w]+\/buggify\.js';\n/m;

for (const name of readdirSync(dist, { recursive: true })) {
  if (!name.endsWith('.js')) continue;
  const file = join(dist, name);
  const text = readFileSync(file, 'utf8');
  const stripped = text.replace(CALL, 'false').replace(IMPORT, '');
  if (stripped !== text) writeFileSync(file, stripped);
}
rmSync(join(dist, 'base', 'buggify.js'), { force: true });
