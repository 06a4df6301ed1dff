/** The master's settings: flags win over the environment, both win over the file. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { z } from 'zod';
import { YardError, quote } from '../base/errors.ts';
import { readDocument, shapeProblems, throwProblems } from '../base/document.ts';
import { parseDuration } from '../base/units.ts';
import type { Call } from './call.ts';
import { duration, webAddress, wholeNumber } from './flags.ts';
import { LOG_LEVELS } from './log-levels.ts';
import type { LogLevel } from './log-levels.ts';

export interface MasterFlags {
  state: string;
  host: string;
  port: number;
  config?: string;
  tlsCert?: string;
  tlsKey?: string;
  insecure?: true;
  rules?: string;
  tasks?: string;
  lease?: number;
  allowGitFile?: true;
  statelyUi?: string;
  logLevel: LogLevel;
}

export interface MasterSettings {
  state: string;
  host: string;
  port: number;
  tls?: { cert: string; key: string };
  insecure?: boolean | undefined;
  rules?: string | undefined;
  tasks?: string | undefined;
  lease?: number | undefined;
  allowGitFile?: boolean | undefined;
  statelyUi?: string | undefined;
  logLevel: LogLevel;
}

const leaseText = z.string().regex(/^\d+(?:ms|s|m)$/, 'write 15s');

const configFile = z.strictObject({
  state: z.string().min(1).optional(),
  host: z.string().min(1).optional(),
  port: z.int().min(0).max(65_535).optional(),
  tls: z.strictObject({ cert: z.string().min(1), key: z.string().min(1) }).optional(),
  insecure: z.boolean().optional(),
  rules: z.string().min(1).optional(),
  tasks: z.string().min(1).optional(),
  lease: leaseText.optional(),
  allowGitFile: z.boolean().optional(),
  statelyUi: z.url({ protocol: /^https?$/ }).optional(),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).optional(),
});

export function addMasterOptions(command: Command): Command {
  return command
    .option('--state <dir>', 'where all of it is kept; made if it is not there', './state')
    .option('--host <address>', 'where to listen; beyond loopback it takes TLS', '127.0.0.1')
    .option('--port <port>', '0 takes any that is free', wholeNumber(0, 65_535), 7070)
    .option('--config <file>', 'YAML with these settings: state, host, port, tls: {cert, key}, …')
    .option('--tls-cert <file>', 'certificate, and its chain (PEM)')
    .option('--tls-key <file>', 'its key (PEM)')
    .option('--insecure', 'listen beyond loopback without TLS all the same')
    .option('--rules <file>', 'which messages start which tasks')
    .option('--tasks <dir>', 'holds one directory for each task that the rules name')
    .option('--lease <d>', 'how long a silent slave keeps its runs (default: 15s)', duration)
    .option('--allow-git-file', 'take bundles from git repositories on slaves, too')
    .option('--stately-ui <url>', 'where a Stately Inspector of your own is', webAddress)
    .addOption(
      new Option('--log-level <level>', 'how much is logged to standard error')
        .choices(LOG_LEVELS)
        .default('info'),
    );
}

export function masterSettings({ flags, isGiven, host }: Call<MasterFlags>): MasterSettings {
  const file: ConfigFile = flags.config === undefined ? {} : readConfig(flags.config, host.cwd);
  const { tlsCert, tlsKey } = flags;
  const settings = flagsAlone(flags);
  const { tls, ...values } = file;
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && !isGiven(name)) Object.assign(settings, { [name]: value });
  }
  const cert = tlsCert ?? tls?.cert;
  const key = tlsKey ?? tls?.key;
  if ((cert === undefined) !== (key === undefined)) {
    throw new YardError('config.tls', 'a certificate and its key go together', {
      hint: 'give --tls-cert and --tls-key',
    });
  }
  if (cert !== undefined && key !== undefined) {
    settings.tls = { cert: readPem(cert, host.cwd), key: readPem(key, host.cwd) };
  }
  for (const name of ['state', 'rules', 'tasks'] as const) {
    const path = settings[name];
    if (path !== undefined) settings[name] = resolve(host.cwd, path);
  }
  return settings;
}

function flagsAlone(flags: MasterFlags): MasterSettings {
  const { state, host, port, insecure, rules, tasks, lease, logLevel } = flags;
  const { allowGitFile, statelyUi } = flags;
  const given = { insecure, rules, tasks, lease, allowGitFile, statelyUi };
  return { state, host, port, logLevel, ...given };
}

type ConfigFile = { [K in keyof MasterSettings]?: MasterSettings[K] | undefined };

/** Paths in it are relative to the file. */
function readConfig(named: string, cwd: string): ConfigFile {
  const path = resolve(cwd, named);
  const source = { file: named, prefix: 'config' };
  const document = readDocument(readText(path, named, '--config'), source);
  throwProblems(shapeProblems(document, { schema: configFile, prefix: 'config' }), source);
  const { lease, tls, ...read } = configFile.parse(document.value);
  const inside = (file: string | undefined) => file && resolve(dirname(path), file);
  return {
    ...read,
    state: inside(read.state),
    rules: inside(read.rules),
    tasks: inside(read.tasks),
    tls: tls && { cert: inside(tls.cert)!, key: inside(tls.key)! },
    lease: lease === undefined ? undefined : parseDuration(lease),
  };
}

function readPem(named: string, cwd: string): string {
  return readText(resolve(cwd, named), named, '--tls-cert and --tls-key');
}

function readText(path: string, named: string, flags: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new YardError('config.file', `${quote(named)} cannot be read: ${code}`, {
      hint: `see ${flags}`,
      cause,
    });
  }
}
