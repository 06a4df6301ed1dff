/** What devtools read: histories step by step, the yard at a moment, actors, machines, figures. */
import { z } from 'zod';
import { YardError, quote } from '../../base/errors.ts';
import {
  actorsAnswer,
  clusterQuery,
  clusterView,
  machineView,
  messageView,
  nextEvents,
  nextQuery,
  runStep,
  seriesQuery,
  seriesView,
  stepsQuery,
  systemView,
  ticketAnswer,
} from '../../protocol/devtools.ts';
import { exportLines } from '../../protocol/history-export.ts';
import { idText } from '../../protocol/run.ts';
import type { Call, Route } from '../route.ts';
import { idParam, paramsOf, queryOf } from '../route.ts';

const idOf = (call: Call) => paramsOf(call, idParam).id;
const nameParam = z.object({ name: idText });
const messagesQuery = z.object({ limit: z.coerce.number().int().min(1).max(500).default(100) });

export const devtools: Route[] = [
  {
    method: 'GET',
    path: '/api/runs/:id/events',
    scope: 'read',
    summary: 'The history of a run step by step; `noise=1` adds heartbeats.',
    query: stepsQuery,
    answer: z.array(runStep),
    handle: (call) => call.service.steps(idOf(call), queryOf(call, stepsQuery).noise === '1'),
  },
  {
    method: 'GET',
    path: '/api/runs/:id/next',
    scope: 'read',
    summary: 'What a run would react to, now or after its event `at`.',
    query: nextQuery,
    answer: nextEvents,
    handle: (call) => call.service.next(idOf(call), queryOf(call, nextQuery).at),
  },
  {
    method: 'GET',
    path: '/api/runs/:id/export',
    scope: 'read',
    summary: 'The history of a run as lines of JSON, to be looked at elsewhere.',
    answer: 'application/x-ndjson',
    async handle(call) {
      const exported = await call.service.exportRun(idOf(call));
      void call.reply
        .header('content-type', 'application/x-ndjson; charset=utf-8')
        .header('content-disposition', `attachment; filename="run-${exported.run.runId}.jsonl"`);
      return [...exportLines(exported)].join('');
    },
  },
  {
    method: 'GET',
    path: '/api/cluster',
    scope: 'read',
    summary: 'Runs per state and slave, now or at any moment of the history.',
    query: clusterQuery,
    answer: clusterView,
    handle: (call) => call.service.cluster(queryOf(call, clusterQuery).at),
  },
  {
    method: 'GET',
    path: '/api/machines',
    scope: 'read',
    summary: 'The state machines, and how many stand in each state.',
    answer: z.array(machineView),
    handle: ({ service }) => service.machines(),
  },
  {
    method: 'GET',
    path: '/api/machines/:name',
    scope: 'read',
    summary: 'One state machine.',
    answer: machineView,
    async handle(call) {
      const { name } = paramsOf(call, nameParam);
      const machines = await call.service.machines();
      const found = machines.find((machine) => machine.name === name);
      if (found) return found;
      const known = machines.map((machine) => machine.name).join(', ');
      throw new YardError('machine.unknown', `no machine ${quote(name)}`, {
        hint: `known: ${known}`,
      });
    },
  },
  {
    method: 'GET',
    path: '/api/actors',
    scope: 'read',
    summary: 'The master, its slaves, and the newest runs that are not done.',
    answer: actorsAnswer,
    handle: ({ service }) => service.actors(),
  },
  {
    method: 'GET',
    path: '/api/messages',
    scope: 'read',
    summary: 'The messages that came in last, and what each started or why it did not.',
    query: messagesQuery,
    answer: z.array(messageView),
    handle: (call) => call.service.listMessages(queryOf(call, messagesQuery).limit),
  },
  {
    method: 'GET',
    path: '/api/series',
    scope: 'read',
    summary: 'Figures over time.',
    query: seriesQuery,
    answer: seriesView,
    handle: (call) => call.service.series(queryOf(call, seriesQuery).stepMs),
  },
  {
    method: 'GET',
    path: '/api/system',
    scope: 'read',
    summary: 'How the master itself is.',
    answer: systemView,
    handle: ({ service }) => service.system(),
  },
  {
    method: 'POST',
    path: '/api/tickets',
    scope: 'read',
    summary: 'Makes a ticket that opens one inspection socket, soon.',
    status: 201,
    answer: ticketAnswer,
    handle: ({ service, by }) => service.createTicket(by),
  },
];
