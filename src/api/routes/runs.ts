import { z } from 'zod';
import {
  abortBody,
  NEXT_HEADER,
  historyEvent,
  holdBody,
  runQuery,
  submitBody,
  whyAnswer,
} from '../../protocol/http.ts';
import { runRequest, runStatus } from '../../protocol/run.ts';
import type { Call, Route } from '../route.ts';
import { bodyOf, idParam, paramsOf, queryOf } from '../route.ts';

const waitQuery = z.object({ ms: z.coerce.number().int().min(0).max(600_000).default(30_000) });
const requests = z.array(runRequest).min(1).max(5000);
const submitted = z.object({ runId: z.string(), created: z.boolean() });

const idOf = (call: Call) => paramsOf(call, idParam).id;

export const runs: Route[] = [
  {
    method: 'POST',
    path: '/api/runs',
    scope: 'submit',
    summary: 'Submits a run, or an array of them in one commit.',
    body: submitBody,
    status: 201,
    answer: z.union([submitted, z.array(submitted)]),
    async handle(call) {
      const { request, reply, service, by } = call;
      // Each is parsed by its own schema: a union's error would say less.
      const isMany = Array.isArray(request.body);
      const wanted = isMany ? requests.parse(request.body) : [bodyOf(call, runRequest)];
      const answers = await service.submit(wanted, by);
      void reply.code(answers.some(({ created }) => created) ? 201 : 200);
      return isMany ? answers : answers[0];
    },
  },
  {
    method: 'GET',
    path: '/api/runs',
    scope: 'read',
    summary:
      'Lists runs, newest first; qualifiers are ANDed. Where `scan` ended it, `runyard-next` says where to go on.',
    query: runQuery,
    answer: z.array(runStatus),
    async handle(call) {
      const { runs: found, next } = await call.service.listRuns(queryOf(call, runQuery));
      if (next !== undefined) void call.reply.header(NEXT_HEADER, next);
      return found;
    },
  },
  {
    method: 'GET',
    path: '/api/runs/:id',
    scope: 'read',
    summary: 'The status of a run.',
    answer: runStatus,
    handle: (call) => call.service.getRun(idOf(call)),
  },
  {
    method: 'GET',
    path: '/api/runs/:id/request',
    scope: 'read',
    summary: 'What was asked for; values of the environment are left out.',
    answer: runRequest,
    async handle(call) {
      const asked = await call.service.getRequest(idOf(call));
      const env = Object.fromEntries(Object.keys(asked.env).map((name) => [name, '•••']));
      return { ...asked, env };
    },
  },
  {
    method: 'GET',
    path: '/api/runs/:id/history',
    scope: 'read',
    summary: 'Every event of a run, in order.',
    answer: z.array(historyEvent),
    handle: (call) => call.service.history(idOf(call)),
  },
  {
    method: 'GET',
    path: '/api/runs/:id/wait',
    scope: 'read',
    summary: 'The status when it is done, or as it is after `ms`.',
    query: waitQuery,
    answer: runStatus,
    handle: (call) => call.service.waitRun(idOf(call), queryOf(call, waitQuery).ms, call.signal),
  },
  {
    method: 'GET',
    path: '/api/runs/:id/why',
    scope: 'read',
    summary: 'Why a run is pending, and what would start it.',
    answer: whyAnswer,
    handle: (call) => call.service.why(idOf(call)),
  },
  {
    method: 'POST',
    path: '/api/runs/:id/abort',
    scope: 'abort',
    summary: 'Aborts a run; answers with its final status, whatever it is.',
    body: abortBody,
    answer: runStatus,
    handle: (call) => call.service.abortRun(idOf(call), call.by, bodyOf(call, abortBody).why),
  },
  {
    method: 'POST',
    path: '/api/runs/:id/hold',
    scope: 'operate',
    summary: 'Keeps a waiting run from being started.',
    body: holdBody,
    answer: runStatus,
    handle: (call) => call.service.holdRun(idOf(call), call.by, bodyOf(call, holdBody).note),
  },
  {
    method: 'POST',
    path: '/api/runs/:id/release',
    scope: 'operate',
    summary: 'Lets a held run go.',
    answer: runStatus,
    handle: (call) => call.service.releaseRun(idOf(call), call.by),
  },
  {
    method: 'POST',
    path: '/api/runs/:id/rerun',
    scope: 'submit',
    summary: 'Submits the same request again.',
    status: 201,
    answer: submitted,
    handle: (call) => call.service.rerun(idOf(call), call.by),
  },
];
