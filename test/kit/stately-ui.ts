/** A Stately UI of the stock browser receiver, which counts what it is told. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const PAGE = `<script type="module">
  import { createBrowserReceiver } from '/inspect.mjs';
  document.documentElement.dataset.count = '0';
  createBrowserReceiver({ window }).subscribe(() => document.documentElement.dataset.count++);
</script>`;

/** Served on a port of its own, so that it is another origin; `silent` never says it is there. */
export async function startStatelyUi() {
  let isSilent = false;
  const server = createServer((request, response) => {
    const isScript = request.url === '/inspect.mjs';
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' });
    response.end(isScript ? receiver() : isSilent ? 'silent' : PAGE);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  return {
    origin: `http://127.0.0.1:${port}`,
    silence: (silent: boolean) => void (isSilent = silent),
    stop: () => new Promise((done) => server.close(done)),
  };
}

/** The package as it is published, for a browser. */
function receiver(): string {
  const file = createRequire(import.meta.url).resolve('@statelyai/inspect');
  // Of what it imports the receiver calls one function, and a browser would find none.
  const own = readFileSync(file, 'utf8').replaceAll(/^import .*;$/gm, '');
  return `const toObserver = (next) => ({ next });\n${own}`;
}
