/** The page: files that were built once, served as they are to browsers. */
import { readFileSync, readdirSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { FastifyInstance, FastifyReply } from 'fastify';

/** Nothing but our own files, no inline code, no style of elsewhere, in nobody's frame. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The first parts of the page's addresses. What lies below is the page's own affair. */
export const PAGE_ROOTS = [
  '',
  'runs',
  'slaves',
  'machines',
  'actors',
  'messages',
  'time',
  'system',
  'import',
];

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

interface PageFile {
  type: string;
  bytes: Buffer;
  packed: Buffer;
}

/** Serves the page that was built into that directory; without one, browsers are told what all are. */
export function servePage(app: FastifyInstance, directory: string): void {
  const files = readPage(directory);
  const index = files.get('/index.html');
  if (!index) return;
  app.addHook('onRequest', async (request, reply) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return;
    const path = (request.raw.url ?? '').split('?')[0]!;
    const asset = path.startsWith('/assets/') ? files.get(path) : undefined;
    if (asset) {
      void reply.header('cache-control', 'public, max-age=31536000, immutable');
      return send(request.raw, reply, asset);
    }
    if (!isPage(path) || !wantsPage(request.raw)) return;
    void reply
      .header('content-security-policy', POLICY)
      .header('referrer-policy', 'no-referrer')
      .header('cache-control', 'no-cache')
      .header('vary', 'accept');
    return send(request.raw, reply, index);
  });
}

function isPage(path: string): boolean {
  const [, root = '', , below] = path.split('/');
  // A run's outputs and artifacts have addresses beside its tabs.
  if (below === 'outputs' || below === 'artifacts') return false;
  return PAGE_ROOTS.includes(root);
}

/** Programs ask for anything; browsers, when somebody goes to an address, for a page. */
function wantsPage({ headers }: IncomingMessage): boolean {
  return (headers.accept ?? '').includes('text/html');
}

function send({ headers, method }: IncomingMessage, reply: FastifyReply, file: PageFile) {
  const takesGzip = /\bgzip\b/.test(String(headers['accept-encoding'] ?? ''));
  const body = takesGzip ? file.packed : file.bytes;
  if (takesGzip) void reply.header('content-encoding', 'gzip');
  void reply.type(file.type).header('content-length', body.length);
  return reply.send(method === 'HEAD' ? undefined : body);
}

/** By their addresses. Sources, whose scripts are not named by what they hold, are no page. */
function readPage(directory: string): Map<string, PageFile> {
  const files = new Map<string, PageFile>();
  for (const below of ['', 'assets']) {
    for (const name of namesIn(join(directory, below))) {
      const type = TYPES[extname(name)];
      if (type === undefined) continue;
      const bytes = readFileSync(join(directory, below, name));
      files.set(`${below && '/assets'}/${name}`, {
        type,
        bytes,
        packed: gzipSync(bytes, { level: 9 }),
      });
    }
  }
  return namesIn(join(directory, 'assets')).length === 0 ? new Map() : files;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
