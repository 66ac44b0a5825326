import type { Job, WebhookAttempt, WebhookDelivery } from '@comfy-fleet/contracts';
import { CHAOS } from '../src/trials/chaos/settings.js';
import type { Call, Download, Evidence, Execution } from '../src/trials/evidence/evidence.js';
import type { JobHistory } from '../src/trials/evidence/redis-history.js';
import type { PlannedJob } from '../src/trials/orders/plan-orders.js';
import type { Cancel, Post } from '../src/trials/people/load.js';

/** The start of the runs in these tests, in ms since 1970. */
export const T0 = 1_800_000_000_000;
const SHA = 'a'.repeat(64);

export const id = (n: number) => `01a212e1-0000-7000-8000-${`${n}`.padStart(12, '0')}`;

export function post(n: number, more: Partial<Post> = {}): Post {
  return { tag: `${n}`, jobId: id(n), sentAt: T0, answeredAt: T0 + 5, status: 202, body: {}, replayed: false, ...more };
}

export function cancel(n: number, more: Partial<Cancel> = {}): Cancel {
  const answer = { sentAt: T0 + 100, answeredAt: T0 + 105, status: 200, body: {}, replayed: false };
  return { jobId: id(n), jobStatus: 'canceling', ...answer, ...more };
}

export function history(n: number, more: Partial<JobHistory> = {}): JobHistory {
  return {
    id: id(n),
    tag: `${n}`,
    statuses: [
      { status: 'queued', at: T0 },
      { status: 'running', at: T0 + 50 },
      { status: 'succeeded', at: T0 + 600 },
    ],
    submissions: [{ promptId: `prompt${n}`, instance: 'worker1/1' }],
    claims: ['worker1'],
    ...more,
  };
}

export function execution(n: number, more: Partial<Execution> = {}): Execution {
  return {
    simulator: 'worker1/1',
    pid: 100,
    promptId: `prompt${n}`,
    startedAt: T0 + 50,
    endedAt: T0 + 550,
    outcome: 'success',
    ...more,
  };
}

export function job(n: number, more: Partial<Job> = {}): Job {
  const file = { width: 64, height: 72, content_type: 'image/png', bytes: 900, sha256: SHA };
  const output = { ...file, name: 'image', node_id: '9', kind: 'image', filename: 'p_00001_.png' };
  const isDone = (more.status ?? 'succeeded') === 'succeeded';
  return {
    id: id(n),
    status: 'succeeded',
    attempts: 1,
    finished_at: new Date(T0 + 600).toISOString(),
    request: { count: 1, width: 64, height: 72 },
    outputs: isDone ? [{ ...output, url: `/files/${id(n)}_1.png` }] : [],
    images: isDone ? [{ ...file, seed: 1, image_url: `/images/${id(n)}_1.png` }] : [],
    error: null,
    metadata: { chaos: `${n}` },
    ...more,
  } as Job;
}

/** An order with a webhook for all events, which is accepted at once. */
export function order(n: number, more: Partial<PlannedJob> = {}): PlannedJob {
  return {
    tag: `${n}`,
    path: '/generate',
    body: {},
    picture: undefined,
    outputs: ['image'],
    afterMs: 0,
    cancel: undefined,
    caller: { id: 'steady', key: 'cf_key', secrets: ['whsec_one'], jobsRunning: 9 },
    repeats: undefined,
    callback: {
      form: 'webhook',
      secret: undefined,
      events: undefined,
      answers: [{ status: 200 }],
      killAfterMs: undefined,
    },
    ...more,
  };
}

/** The call that notified of the job's success. */
export function call(n: number, more: Partial<Call> = {}): Call {
  return {
    at: T0 + 620,
    tag: `${n}`,
    webhookId: `msg_${id(n)}`,
    timestampSeconds: T0 / 1000,
    signatureFaults: [],
    type: 'job.succeeded',
    endedAt: new Date(T0 + 600).toISOString(),
    jobId: id(n),
    status: 'succeeded',
    sha256s: [SHA],
    answer: { status: 200 },
    ...more,
  };
}

export function attempt(more: Partial<WebhookAttempt> = {}): WebhookAttempt {
  const at = new Date(T0 + 610).toISOString();
  return { at, status: 200, duration_ms: 12, answer: 'noted', delivered: true, ...more };
}

export function delivery(n: number, more: Partial<WebhookDelivery> = {}): WebhookDelivery {
  return {
    id: `msg_${id(n)}`,
    url: 'http://127.0.0.1/1',
    events: [],
    state: 'delivered',
    next_attempt_at: null,
    attempts: [attempt()],
    ...more,
  };
}

/** The correct download of a picture. */
function download(url: string, more: Partial<Download> = {}): Download {
  const size = { width: 64, height: 72 };
  const answer = { status: 200, etag: `"${SHA}"`, contentType: 'image/png', sha256: SHA, bytes: 900, size };
  return { jobId: id(1), url, ...answer, ...more };
}

/** Evidence of one job without problems, with the changes of `more`. */
export function evidence(more: Partial<Evidence> = {}): Evidence {
  return {
    settings: CHAOS,
    orders: [order(1)],
    posts: [post(1)],
    cancels: [],
    jobs: new Map([[id(1), job(1)]]),
    histories: [history(1)],
    calls: [call(1)],
    deliveries: new Map([[id(1), delivery(1)]]),
    leftInOutbox: 0,
    executions: [execution(1)],
    downloads: [download(`/files/${id(1)}_1.png`), download(`/images/${id(1)}_1.png`)],
    frameFiles: [`${id(1)}_1.png`],
    leftInQueues: new Map([['worker1/1', 0]]),
    outages: [],
    faults: [],
    processes: [{ name: 'worker1', troubles: [], log: '{"level":"info","message":"job ended"}\n' }],
    gatheredAt: T0 + 60_000,
    ...more,
  };
}

/** Evidence of one canceled job. */
export function canceled(more: Partial<Evidence> = {}, finishedAt = T0 + 200): Evidence {
  const ended = job(1, { status: 'canceled', finished_at: new Date(finishedAt).toISOString() });
  const statuses = [
    { status: 'queued' as const, at: T0 },
    { status: 'canceled' as const, at: finishedAt },
  ];
  const told = { type: 'job.canceled', status: 'canceled', sha256s: [], endedAt: new Date(finishedAt).toISOString() };
  const at = finishedAt + 20;
  const seconds = Math.floor(finishedAt / 1000);
  return evidence({
    cancels: [cancel(1)],
    jobs: new Map([[id(1), ended]]),
    calls: [call(1, { ...told, at, timestampSeconds: seconds })],
    deliveries: new Map([[id(1), delivery(1, { attempts: [attempt({ at: new Date(at - 10).toISOString() })] })]]),
    histories: [history(1, { statuses })],
    executions: [execution(1, { outcome: 'interrupted', endedAt: T0 + 150 })],
    downloads: [],
    frameFiles: [],
    ...more,
  });
}
