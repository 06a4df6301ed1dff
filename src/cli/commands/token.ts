import type { Command } from 'commander';
import { Option } from 'commander';
import { SCOPES } from '../../protocol/http.ts';
import type { Scope } from '../../protocol/http.ts';
import { nearest } from '../../base/errors.ts';
import { usageError } from '../call.ts';
import type { Bind } from '../call.ts';
import { duration } from '../flags.ts';

const EXAMPLES = `
Examples:
  runyard token create ci --scope read,submit --ttl 90d
  runyard token create rack-3 --kind enrol --ttl 1h > enrol.token
  runyard slave --master https://yard.example.org:7070 --token-file enrol.token
  runyard token revoke 01kq3s0c`;

interface CreateFlags {
  kind: 'user' | 'enrol';
  scope: string;
  ttl?: number;
}

export function addToken(parent: Command, bind: Bind): void {
  const token = parent
    .command('token')
    .description('tokens of users, and those that slaves enrol with')
    .addHelpText('after', EXAMPLES);
  addCreate(token, bind);
  token
    .command('list')
    .description('list tokens; what they are is never shown again')
    .addHelpText('after', EXAMPLES)
    .action(
      bind(async ({ client, screen }) => {
        const tokens = await client().listTokens();
        type Row = (typeof tokens)[number];
        const columns = [
          { title: 'TOKEN', text: ({ id }: Row) => id },
          { title: 'KIND', text: ({ kind }: Row) => kind },
          { title: 'NAME', text: ({ name }: Row) => name },
          { title: 'EXPIRES', text: ({ expiresAt }: Row) => expiresAt ?? 'never' },
          { title: 'SCOPES', text: ({ scopes }: Row) => scopes.join(',') },
        ];
        screen.list(tokens, columns, 'no tokens');
      }),
    );
  token
    .command('revoke')
    .description('revoke tokens; what uses one is refused from now on')
    .argument('<id...>', 'as "token list" shows them')
    .addHelpText('after', EXAMPLES)
    .action(
      bind(async ({ args, client, screen }) => {
        for (const id of args) await client().revokeToken(id);
        const revoked = args.map((id) => ({ id, revoked: true }));
        screen.showAll(revoked, ({ id }) => `${id} revoked\n`);
      }),
    );
}

function addCreate(token: Command, bind: Bind): void {
  token
    .command('create')
    .description('make a token; it is printed once, alone on standard output')
    .argument('<name>', 'who or what it is for')
    .addOption(
      new Option('--kind <kind>', 'user: for people and programs; enrol: makes one slave')
        .choices(['user', 'enrol'])
        .default('user'),
    )
    .option('--scope <scopes>', `with commas: ${SCOPES.join(', ')}`, 'read')
    .option('--ttl <duration>', 'how long it is good for (default: for ever)', duration)
    .addHelpText('after', EXAMPLES)
    .action(
      bind<CreateFlags>(async ({ args, flags, client, screen }) => {
        const scopes = flags.scope.split(',').map(readScope);
        const made = await client().createToken({
          kind: flags.kind,
          name: args[0]!,
          scopes,
          ...(flags.ttl === undefined ? {} : { ttlMs: flags.ttl }),
        });
        screen.show(made, ({ token: secret }) => `${secret}\n`);
        screen.say(`token ${made.id}, good until ${made.expiresAt ?? 'it is revoked'}`);
      }),
    );
}

function readScope(text: string): Scope {
  const scope = SCOPES.find((known) => known === text.trim());
  if (scope) return scope;
  const near = nearest(text, SCOPES);
  const hint = near === undefined ? `known: ${SCOPES.join(', ')}` : `did you mean ${near}?`;
  throw usageError(`scope '${text}' is unknown`, hint);
}
