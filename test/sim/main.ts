import { runCli } from './cli.ts';

// Who reads no further has seen enough.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  process.exit(code === 'EPIPE' ? 0 : 70);
});

process.exitCode = await runCli(process.argv.slice(2), {
  say: (line) => process.stdout.write(`${line}\n`),
  tell: (text) => process.stderr.write(text),
  isTerminal: process.stderr.isTTY,
});
