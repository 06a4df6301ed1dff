import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { expect, test } from 'vitest';
import { ROUTES } from '../src/api/routes.ts';
import { systemClock } from '../src/base/clock.ts';
import type { CliHost } from '../src/cli/host.ts';
import { masterSettings } from '../src/cli/master-settings.ts';
import { runyard } from '../src/cli/program.ts';
import { runtask } from '../src/cli/runtask.ts';
import { clusterView, runStep } from '../src/protocol/devtools.ts';
import {
  SCOPES,
  VERDICTS,
  historyEvent,
  jobBody,
  jobStatus,
  messageOutcome,
  slaveStatus,
  whyAnswer,
} from '../src/protocol/http.ts';
import { runRequest, runStatus } from '../src/protocol/run.ts';
import { DIRECTIVES } from '../src/task/directives/table.ts';
import { parseFormula } from '../src/task/formula.ts';
import { importResults } from '../src/task/result-yaml.ts';
import { builtInVariables } from '../src/task/run-formula.ts';
import { formatTap } from '../src/task/tap.ts';
import { parseMessage } from '../src/trigger/envelope.ts';
import { JOB_TRIGGERS } from '../src/trigger/job-triggers/table.ts';
import { passMessage } from '../src/trigger/pass.ts';
import { readRules } from '../src/trigger/rules.ts';

const root = resolve(import.meta.dirname, '..');
const documents = ['README.md', 'CONTRIBUTING.md', ...markdownIn('docs')];
const others = [
  'state/README.md',
  ...markdownIn('examples/tasks'),
  ...markdownIn('examples/messages'),
];

const errorBody = z.strictObject({
  error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string() }),
});

/** What the word after `json` holds a sample to. Unknown keys in one are a mistake of ours. */
const SCHEMAS: Record<string, z.ZodType> = {
  submitted: z.strictObject({ runId: z.string(), created: z.boolean() }),
  runRequest,
  runStatus: runStatus.strict(),
  jobBody,
  jobStatus: jobStatus.strict(),
  whyAnswer: whyAnswer.strict(),
  historyEvent: historyEvent.strict(),
  slaveStatus: slaveStatus.strict(),
  messageOutcome: messageOutcome.strict(),
  runStep: runStep.strict(),
  clusterView: clusterView.strict(),
  error: errorBody,
};

const YAMLS: Record<string, (text: string, name: string) => unknown> = {
  formula: (text, file) =>
    parseFormula(text, {
      file,
      directives: DIRECTIVES,
      given: Object.keys(variablesOf('compose')),
    }),
  rules: (text, file) => readRules(text, { file }),
  config: readConfig,
  results: (text, file) => importResults(text, file),
};

test.each([...documents, ...others])('every link of %s leads somewhere', (name) => {
  const links = [...read(name).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, link]) => link!);
  const broken = links
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => !existsSync(join(root, dirname(name), link)));
  expect(broken).toEqual([]);
});

test.each(documents)('every file that %s names exists', (name) => {
  const rooms = '(?:src|docs|examples|test|scripts|bench|\\.ci)';
  const inline = [...read(name).matchAll(new RegExp(`\`(${rooms}/[\\w./-]+)\``, 'g'))];
  const inCommands = fencesOf(name, 'sh').flatMap(({ text }) => [
    ...text.matchAll(new RegExp(`(?<=[ @])(${rooms}/[\\w./-]+)`, 'g')),
  ]);
  const missing = [...inline, ...inCommands]
    .map(([, path]) => path!)
    .filter((path) => !path.includes('NAME') && !existsSync(join(root, path)));
  expect(missing).toEqual([]);
});

const yamls = documents.flatMap((name) => fencesOf(name, 'yaml'));
test.each(yamls)('the YAML at $place is a $kind that can be used', ({ kind, text, place }) => {
  const check = YAMLS[kind];
  expect(check, `known: ${Object.keys(YAMLS).join(', ')}`).toBeDefined();
  expect(() => check!(text, place)).not.toThrow();
});

const jsons = documents.flatMap((name) => fencesOf(name, 'json'));
test.each(jsons)('the JSON at $place is a $kind', ({ kind, text }) => {
  const schema = SCHEMAS[kind];
  expect(schema, `known: ${Object.keys(SCHEMAS).join(', ')}`).toBeDefined();
  expect(schema!.safeParse(JSON.parse(text)).error).toBeUndefined();
});

test('samples of each checked kind are there', () => {
  expect(new Set(jsons.map(({ kind }) => kind))).toEqual(new Set(Object.keys(SCHEMAS)));
  expect(new Set(yamls.map(({ kind }) => kind))).toEqual(new Set(Object.keys(YAMLS)));
});

test.each(documents)('every command of %s is a verb with those flags', async (name) => {
  const wrong: string[] = [];
  for (const line of commandsOf(name)) {
    if (/^(?:runyard|runtask) /.test(line)) wrong.push(...(await faultsOf(line)));
  }
  expect(wrong).toEqual([]);
});

test('every flag that a document explains is one of some command', async () => {
  const helps = await allHelp();
  const unknown = documents.flatMap((name) =>
    [...read(name).matchAll(/`(--[a-z][a-z-]*)[^`]*`/g)]
      .map(([, flag]) => flag!)
      .filter((flag) => !hasFlag(helps, flag))
      .map((flag) => `${name}: ${flag}`),
  );
  expect(unknown).toEqual([]);
});

test.each(documents)('every address that %s asks is a route', (name) => {
  const asked = commandsOf(name).filter((line) => line.startsWith('curl '));
  const unknown = asked.filter((line) => {
    const path = /127\.0\.0\.1:7070(\/[^\s?']*)/.exec(line)?.[1];
    const explicit = /-X ([A-Z]+)/.exec(line)?.[1];
    const method = explicit ?? (/ -d /.test(line) ? 'POST' : 'GET');
    return !ROUTES.some((route) => route.method === method && fits(route.path, path ?? ''));
  });
  expect(unknown).toEqual([]);
});

test('the table of scopes in docs/api.md is that of the routes', () => {
  const rows = [...read('docs/api.md').matchAll(/^\| (?:`(\w+)`|nothing) +\| (.*) \|$/gm)];
  const listed = rows.flatMap(([, scope = 'none', text]) =>
    [...text!.matchAll(/`([A-Z]+) (\S+)`/g)].map(
      ([, method, path]) => `${scope} ${method} ${path}`,
    ),
  );
  const routes = ROUTES.map(({ scope, method, path }) => `${scope} ${method} ${path}`);
  expect(listed.filter((row) => !routes.includes(row))).toEqual([]);
  const changing = routes.filter((row) => !row.includes(' GET '));
  const forPeople = changing.filter((row) => !/^(?:slave|enrol) /.test(row));
  expect(forPeople.filter((row) => !listed.includes(row))).toEqual([]);
});

test('docs/operating.md lists every scope and every verdict', () => {
  const text = read('docs/operating.md');
  const named = new Set([...text.matchAll(/^\| `(\w+)` +\|/gm)].map(([, name]) => name));
  expect([...SCOPES, ...VERDICTS].filter((name) => !named.has(name))).toEqual([]);
});

test('every error code that docs/operating.md lists is one that the program has', () => {
  const rows = [...read('docs/operating.md').matchAll(/^\| (`[a-z]+\.[^|]*)\|/gm)];
  const codes = rows.flatMap(([, cell]) => [...cell!.matchAll(/`([a-z]+\.[a-z_*]+)`/g)]);
  expect(codes.length).toBeGreaterThan(30);
  const sources = sourceText();
  const unknown = codes
    .map(([, code]) => code!)
    .filter(
      (code) => !sources.includes(`'${code.replace('.*', '.')}${code.endsWith('*') ? '' : "'"}`),
    );
  expect(unknown).toEqual([]);
});

test('every metric and variable that a document names is one that the program has', () => {
  const sources = sourceText();
  const names = documents.flatMap((name) => [
    ...read(name).matchAll(/`(runyard_[a-z_]+)[^`]*`/g),
    ...read(name).matchAll(/`(RUNYARD_(?:[A-Z]+_)*[A-Z]+)`/g),
  ]);
  const derived = ['RUNYARD_TOKEN_FILE', 'RUNYARD_OUTPUT', 'RUNYARD_SERVER'];
  const unknown = names
    .map(([, name]) => name!)
    .filter((name) => !sources.includes(name) && !derived.includes(name));
  expect(names.length).toBeGreaterThan(15);
  expect(unknown).toEqual([]);
});

test('the message of the README becomes six runs, three for each architecture', () => {
  const text = read('examples/messages/fedmsg-pungi.compose.status.change-FINISHED.json');
  const rules = readRules(read('examples/trigger_rules.yml'), { file: 'trigger_rules.yml' });
  const arches = ['aarch64', 'x86_64'];
  const { requests } = passMessage(parseMessage(JSON.parse(text)), {
    triggers: JOB_TRIGGERS,
    rules,
    arches,
  });
  expect(requests.map(({ arch }) => arch).filter((arch) => arch === 'x86_64')).toHaveLength(3);
  expect(requests).toHaveLength(6);
});

test('the TAP of docs/writing-tasks.md is what its results become', () => {
  const text = read('docs/writing-tasks.md');
  const shown = /```\n(TAP version 13\n[^]*?)```/.exec(text)?.[1];
  const results = fencesOf('docs/writing-tasks.md', 'yaml').find(({ kind }) => kind === 'results');
  expect(formatTap(importResults(results!.text, 'results'))).toBe(shown);
});

test('the variables that docs/writing-tasks.md explains are the built-in ones', () => {
  const section = /## Variables\n([^]*?)\n## /.exec(read('docs/writing-tasks.md'))![1]!;
  const rows = [...section.matchAll(/^\| (`\$[^|]*)\|/gm)].flatMap(([, cell]) => [
    ...cell!.matchAll(/\$\{(\w+)\}/g),
  ]);
  expect(new Set(rows.map(([, name]) => name))).toEqual(
    new Set(Object.keys(variablesOf('compose'))),
  );
});

interface Fence {
  kind: string;
  text: string;
  /** `docs/api.md:12`. */
  place: string;
}

function read(name: string): string {
  return readFileSync(join(root, name), 'utf8');
}

function markdownIn(directory: string): string[] {
  return readdirSync(join(root, directory))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(directory, name));
}

function fencesOf(name: string, language: string): Fence[] {
  const text = read(name);
  const fences = text.matchAll(/^```(\w+)(?: (\w+))?\n([^]*?)^```$/gm);
  return [...fences]
    .filter(([, found]) => found === language)
    .map(({ 2: kind = 'sample of no named kind', 3: body, index }) => ({
      kind,
      text: body!,
      place: `${name}:${text.slice(0, index).split('\n').length}`,
    }));
}

function commandsOf(name: string): string[] {
  return fencesOf(name, 'sh').flatMap(({ text }) => text.split('\n').filter(Boolean));
}

function variablesOf(itemType: string) {
  const places = { taskdir: '', workdir: '', artifactsdir: '' };
  return builtInVariables({ item: '', itemType, arch: '', jobid: '', uuid: '', ...places });
}

function readConfig(text: string): unknown {
  const directory = mkdtempSync(join(tmpdir(), 'runyard-docs-'));
  try {
    const { tls } = parseYaml(text) as { tls?: { cert: string; key: string } };
    for (const file of tls ? [tls.cert, tls.key] : []) writeFileSync(join(directory, file), 'PEM');
    writeFileSync(join(directory, 'master.yml'), text);
    const host = { ...makeHost(() => {}), cwd: directory };
    const flags = { config: 'master.yml', server: '', output: 'table', color: false } as never;
    return masterSettings({ flags, isGiven: () => false, host } as never);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function makeHost(print: (text: string) => void): CliHost {
  const outlet = { print, write: () => {}, isTerminal: false, columns: 200 };
  return {
    env: {},
    cwd: root,
    clock: systemClock,
    stdout: outlet,
    stderr: outlet,
    readInput: () => Promise.reject(new Error('nobody types')),
    connect: () => {
      throw new Error('there is no master');
    },
    program: [],
    onStop: () => () => {},
  };
}

async function helpOf(path: readonly string[]): Promise<string> {
  let text = '';
  await runyard(
    [...path, '--help'],
    makeHost((more) => (text += more)),
  );
  return text;
}

async function runtaskHelp(): Promise<string> {
  let text = '';
  const print = (more: string) => void (text += more);
  await runtask(['--help'], {
    env: {},
    cwd: root,
    clock: systemClock,
    print,
    printError: print,
    isTerminal: false,
    stdout: 'inherit',
    stderr: 'inherit',
    signal: new AbortController().signal,
  });
  return text;
}

function childrenIn(help: string): string[] {
  const section = /^Commands:\n((?: {2}.*\n)+)/m.exec(help)?.[1] ?? '';
  return [...section.matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name!);
}

async function allHelp(path: readonly string[] = []): Promise<string> {
  const own = await helpOf(path);
  const children = childrenIn(own).filter((name) => name !== 'help');
  const below = await Promise.all(children.map((name) => allHelp([...path, name])));
  return [own, ...below, ...(path.length === 0 ? [await runtaskHelp()] : [])].join('\n');
}

/** Flags stand at the beginning of a line of help, alone or after a short one. */
function hasFlag(help: string, flag: string): boolean {
  return new RegExp(`^ {2}(?:-\\w, )?${flag}(?:[ ,]|$)`, 'm').test(help);
}

async function faultsOf(line: string): Promise<string[]> {
  const [command = ''] = line.split(/ [>|] /);
  const own = command.split(/ -- /)[0]!.replaceAll(/"[^"]*"/g, 'TEXT');
  const [program, ...words] = own.split(' ');
  const path: string[] = [];
  let help = program === 'runtask' ? await runtaskHelp() : await helpOf([]);
  while (childrenIn(help).includes(words[0] ?? '')) {
    path.push(words.shift()!);
    help = await helpOf(path);
  }
  const isVerb = program === 'runtask' || path.length > 0;
  const unknown = words
    .filter((word) => word.startsWith('-') && word !== '-')
    .filter((flag) => !hasFlag(help, flag) && !new RegExp(`^ {2}${flag}, `, 'm').test(help));
  return [...(isVerb ? [] : ['no such verb']), ...unknown].map((fault) => `${line}: ${fault}`);
}

function fits(route: string, path: string): boolean {
  const pattern = route.replaceAll(/:\w+/g, '[^/]+').replace('*', '.+');
  return new RegExp(`^${pattern}$`).test(path);
}

function sourceText(directory = join(root, 'src')): string {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /(?<!\.test)\.ts$/.test(entry.name))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n');
}

test('each promise of the page names a test that is there', () => {
  const table = readFileSync(join(root, 'docs', 'devtools.md'), 'utf8');
  const rows = [...table.matchAll(/^\| (\d+) .*\| `(\S+\.test\.ts)` *\| (.+?) *\|$/gm)];
  const numbers = new Set(rows.map(([, number]) => Number(number)));
  expect([...numbers]).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  for (const [, , file, name] of rows) {
    expect(readFileSync(join(root, file!), 'utf8'), name).toContain(name!);
  }
});
