/** Brings a checkout to where it can run: installed and built. Says nothing when it is there. */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, extname, join, relative, resolve } from 'node:path';

const root = resolve(import.meta.dirname ?? dirname(new URL(import.meta.url).pathname), '..');
const ASSETS = ['.py', '.sh', '.json'];

checkNode();
install();
build();
buildPage();

function checkNode() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const [, ...least] = /(\d+)\.(\d+)\.(\d+)/.exec(engines.node).map(Number);
  const here = process.versions.node.split('.').map(Number);
  const at = least.findIndex((part, index) => part !== here[index]);
  if (at === -1 || here[at] > least[at]) return;
  fail(`Runyard needs Node ${least.join('.')} or newer; this is ${process.versions.node}.`);
}

/** npm writes its own lock file last of all, so one that is there means all is. */
function install() {
  const lock = join(root, 'package-lock.json');
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (existsSync(installed) && changedAt(installed) >= changedAt(lock)) return;
  say('installing what package-lock.json names');
  const { npm_execpath: npm } = process.env;
  const words = npm && /\.c?js$/.test(npm) ? [process.execPath, npm] : ['npm'];
  // Not `npm ci`: it insists on the binaries for other systems, which not every registry has.
  run([...words, 'install', '--no-save', '--ignore-scripts'], {
    hint: 'The packages could not be installed. Is the registry that npm is set to within reach?',
  });
  // Installed from a cache, files may keep the times that they had.
  if (existsSync(installed)) utimesSync(installed, new Date(), new Date());
}

function build() {
  const startedAt = new Date();
  const dist = join(root, 'dist');
  const stamp = join(dist, '.built');
  const main = join(dist, 'cli', 'runyard.js');
  const page = join(root, 'src', 'web');
  const sources = filesBelow(join(root, 'src')).filter(
    (file) => !file.endsWith('.test.ts') && !file.startsWith(page),
  );
  const settings = ['tsconfig.json', 'tsconfig.build.json'].map((name) => join(root, name));
  const newest = Math.max(...[...sources, ...settings].map(changedAt));
  if (existsSync(main) && existsSync(stamp) && changedAt(stamp) >= newest) return;

  say('building');
  // The compiler writes only what it believes has changed: nothing, if the rest were there still.
  if (!existsSync(main)) rmSync(dist, { recursive: true, force: true });
  run([process.execPath, tsc(), '-p', 'tsconfig.build.json'], {
    hint: 'The build failed: see the errors above.',
  });
  run([process.execPath, join(root, 'scripts', 'strip.mjs')], {
    hint: 'What was built could not be stripped: see the error above.',
  });
  for (const file of sources.filter((name) => ASSETS.includes(extname(name)))) {
    const copy = join(dist, relative(join(root, 'src'), file));
    mkdirSync(dirname(copy), { recursive: true });
    copyFileSync(file, copy);
  }
  writeFileSync(stamp, '');
  // A file that changed meanwhile is newer than what was built from it.
  utimesSync(stamp, startedAt, startedAt);
}

/** The page's machines are drawn from those that decide, so these are its sources, too. */
function buildPage() {
  const startedAt = new Date();
  const stamp = join(root, 'dist', 'web', '.built');
  const folders = ['web', 'machines', 'protocol'].map((name) => join(root, 'src', name));
  const newest = Math.max(...folders.flatMap(filesBelow).map(changedAt));
  if (changedAt(stamp) >= newest) return;
  say('building the page');
  const config = join(root, 'src', 'web', 'vite.config.ts');
  run([process.execPath, program('vite', 'bin', 'vite.js'), 'build', '-c', config], {
    hint: 'The page could not be built: see the errors above.',
  });
  writeFileSync(stamp, '');
  utimesSync(stamp, startedAt, startedAt);
}

function tsc() {
  return program('typescript', 'bin', 'tsc');
}

function program(...parts) {
  return join(root, 'node_modules', ...parts);
}

function filesBelow(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

function changedAt(file) {
  return existsSync(file) ? statSync(file).mtimeMs : 0;
}

function run([file, ...args], { hint }) {
  const { status, error } = spawnSync(file, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error) fail(`${file} cannot be started: ${error.message}`);
  if (status !== 0) fail(hint);
}

function say(text) {
  process.stderr.write(`runyard: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
