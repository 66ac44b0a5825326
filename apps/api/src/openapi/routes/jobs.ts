import { jobEventSchemas, jobListQuerySchema, jobListSchema, jobSchema } from '@comfy-fleet/contracts';
import Type from 'typebox';
import type { DocumentSettings, OperationDocs } from '../operation.js';

export function jobDocs({ maxWaitSeconds }: DocumentSettings): OperationDocs {
  const wait = Type.Integer({
    minimum: 1,
    maximum: maxWaitSeconds,
    description: 'Seconds for which to hold the answer until the job has ended.',
  });
  return {
    'GET /jobs': {
      id: 'listJobs',
      tag: 'jobs',
      summary: 'List jobs, newest first',
      description:
        'A filter looks through the newest jobs, so a page may be short or empty although there is more: go on while ' +
        '`has_more` is true, with `next_cursor` as `cursor`.',
      query: jobListQuerySchema,
      answers: { 200: { description: 'A page of jobs.', content: { 'application/json': jobListSchema } } },
      errors: ['queue_unavailable'],
    },
    'GET /jobs/:id': {
      id: 'getJob',
      tag: 'jobs',
      summary: 'Read a job',
      query: Type.Object({ wait: Type.Optional(wait) }),
      answers: { 200: { description: 'The job as it is now.', content: { 'application/json': jobSchema } } },
      errors: ['job_not_found', 'queue_unavailable'],
    },
    'DELETE /jobs/:id': {
      id: 'deleteJob',
      tag: 'jobs',
      summary: 'Delete an ended job and its pictures',
      answers: { 204: { description: 'It is gone.' } },
      errors: ['job_not_found', 'wrong_job_state', 'queue_unavailable', 'storage_failed'],
    },
    'POST /jobs/:id/cancel': {
      id: 'cancelJob',
      tag: 'jobs',
      summary: 'Cancel a job',
      description: 'A running job is `canceling` until it has been stopped. One that has ended stays as it ended.',
      answers: {
        200: { description: 'The job as the cancel left it.', content: { 'application/json': jobSchema } },
      },
      errors: ['job_not_found', 'queue_unavailable'],
    },
    'GET /jobs/:id/events': {
      id: 'followJob',
      tag: 'jobs',
      summary: 'Follow a job as a stream of server-sent events',
      description: [
        'For an `EventSource`, or anything else that reads `text/event-stream`. The data of every event is JSON:',
        '- `status`: the whole job, at first and whenever its status changes (a change of `waiting_for` alone is no',
        '  event); the stream ends after the last one.',
        '- `progress`: how far it has come, at most twice a second.',
        '- `preview`: the unfinished picture in base64.',
        '- `output`: the finished pictures.',
        '',
        'Whoever comes back gets the job as it is then, in which everything missed is contained.',
      ].join('\n'),
      headers: ['Last-Event-ID'],
      answers: {
        200: { description: 'The stream. A comment every 15 seconds shows that it lives.', events: jobEventSchemas },
        204: { description: 'The caller has seen the end already (Last-Event-ID): it should not come back.' },
      },
      errors: ['job_not_found', 'overloaded', 'queue_unavailable', 'too_many_streams'],
    },
  };
}
