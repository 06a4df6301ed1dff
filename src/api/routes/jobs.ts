import { z } from 'zod';
import { abortBody, jobBody, jobStatus } from '../../protocol/http.ts';
import { runRequest } from '../../protocol/run.ts';
import type { Route } from '../route.ts';
import { bodyOf, idParam, paramsOf } from '../route.ts';

const jobRuns = z.object({ runs: z.array(runRequest) });

export const jobs: Route[] = [
  {
    method: 'POST',
    path: '/api/jobs',
    scope: 'submit',
    summary: 'Submits runs together; `after` may name runs of the job.',
    body: jobBody.extend({ runs: z.array(runRequest).min(1).max(5000) }),
    status: 201,
    answer: z.object({ jobId: z.string(), runs: z.array(z.string()) }),
    handle(call) {
      const job = bodyOf(call, jobBody);
      const { runs } = jobRuns.parse({ runs: job.runs });
      return call.service.submitJob({ ...job, runs }, call.by);
    },
  },
  {
    method: 'GET',
    path: '/api/jobs/:id',
    scope: 'read',
    summary: 'How far a job is.',
    answer: jobStatus,
    handle: (call) => call.service.getJob(paramsOf(call, idParam).id),
  },
  {
    method: 'POST',
    path: '/api/jobs/:id/abort',
    scope: 'abort',
    summary: 'Aborts what is left of a job.',
    body: abortBody,
    answer: jobStatus,
    handle: (call) =>
      call.service.abortJob(paramsOf(call, idParam).id, call.by, bodyOf(call, abortBody).why),
  },
];
