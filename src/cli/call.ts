import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { YardError, isYardError, quote } from '../base/errors.ts';
import { applyEnvironment } from './environment.ts';
import type { Client, CliHost } from './host.ts';
import { makeScreen } from './screen.ts';
import type { Format, Screen } from './screen.ts';

/** What a verb is given: its arguments and flags, the master, and where to show the answer. */
export interface Call<Flags = object> {
  args: readonly string[];
  flags: Flags & GlobalFlags;
  /** Whether a flag was given, on the command line or in the environment. */
  isGiven: (flag: string) => boolean;
  host: CliHost;
  screen: Screen;
  client: () => Client;
  command: Command;
}

export interface GlobalFlags {
  server: string;
  tokenFile?: string;
  output: Format;
  color: boolean;
}

/** Resolves with the exit status; nothing means 0. */
export type Perform<Flags> = (call: Call<Flags>) => Promise<number | void>;

export type Bind = <Flags>(perform: Perform<Flags>) => (...args: unknown[]) => Promise<void>;

/** Makes verbs into actions of commander's; `onExit` hears their exit status. */
export function makeBind(host: CliHost, onExit: (status: number) => void): Bind {
  return (perform) =>
    async (...args) => {
      const command = args.at(-1) as Command;
      applyEnvironment(command, host.env);
      try {
        onExit((await perform(makeCall(command, host))) ?? 0);
      } catch (error) {
        if (!isYardError(error) || error.code !== USAGE) throw error;
        const hint = error.hint === undefined ? '' : `, ${error.hint}`;
        command.error(`error: ${error.what}${hint}`, { exitCode: 64 });
      }
    };
}

const USAGE = 'input.usage';

/** A command line that cannot be meant; shown with the command's usage. */
export function usageError(what: string, hint?: string): YardError {
  return new YardError(USAGE, what, hint === undefined ? {} : { hint });
}

function makeCall<Flags>(command: Command, host: CliHost): Call<Flags> {
  const flags = command.optsWithGlobals<Flags & GlobalFlags>();
  let client: Client | undefined;
  return {
    args: command.args,
    flags,
    isGiven: (flag) => ['cli', 'env'].includes(command.getOptionValueSourceWithGlobals(flag) ?? ''),
    host,
    screen: makeScreen(host, { format: flags.output, colour: flags.color }),
    client() {
      const token = findToken(flags, host);
      const server = serverUrl(flags.server);
      return (client ??= host.connect(token === undefined ? { server } : { server, token }));
    },
    command,
  };
}

export function findToken(
  { tokenFile }: Pick<GlobalFlags, 'tokenFile'>,
  { cwd, env }: CliHost,
): string | undefined {
  if (tokenFile === undefined) return env['RUNYARD_TOKEN']?.trim() || undefined;
  let text: string;
  try {
    text = readFileSync(resolve(cwd, tokenFile), 'utf8').trim();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new YardError('config.token_file', `${quote(tokenFile)} cannot be read: ${code}`, {
      hint: 'see --token-file',
      cause,
    });
  }
  if (/^[!-~]+$/.test(text)) return text;
  throw new YardError('config.token_file', `${quote(tokenFile)} does not hold one token`);
}

export function serverUrl(text: string): string {
  if (URL.canParse(text) && /^https?:\/\//i.test(text)) return text.replace(/\/+$/, '');
  throw usageError(`${quote(text)} is not a master's address`, 'write http://HOST:PORT');
}
