/** Every route, in one table: what it is, who may ask, what it takes, what it answers. */
import { openApiOf } from './openapi.ts';
import type { Route } from './route.ts';
import { attempts } from './routes/attempts.ts';
import { bundles } from './routes/bundles.ts';
import { devtools } from './routes/devtools.ts';
import { health } from './routes/health.ts';
import { jobs } from './routes/jobs.ts';
import { messages } from './routes/messages.ts';
import { outputs } from './routes/outputs.ts';
import { runs } from './routes/runs.ts';
import { slaves } from './routes/slaves.ts';
import { stately } from './routes/stately.ts';
import { tokens } from './routes/tokens.ts';

const document: Route = {
  method: 'GET',
  path: '/api/openapi.json',
  scope: 'none',
  summary: 'This document.',
  handle: () => openApiOf(ROUTES),
};

export const ROUTES: readonly Route[] = [
  ...runs,
  ...jobs,
  ...slaves,
  ...attempts,
  ...bundles,
  ...outputs,
  ...messages,
  ...tokens,
  ...devtools,
  ...stately,
  ...health,
  document,
];
