import { runCli } from './cli.ts';

process.exitCode = await runCli(process.argv.slice(2), {
  say: (line) => process.stdout.write(`${line}\n`),
  tell: (text) => process.stderr.write(text),
  isTerminal: process.stderr.isTTY,
});
