import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from '@comfy-fleet/contracts';
import { type Answer, ask } from '../../lib/http.js';
import type { PlannedJob } from '../orders/plan-orders.js';

/** One POST of a planned job, which is posted until it is answered 202. */
export interface Post extends Answer {
  readonly tag: string;
  readonly jobId: string | undefined;
}

export interface Cancel extends Answer {
  readonly jobId: string;
  /** The status of the job in the answer. */
  readonly jobStatus: string | undefined;
}

export interface Load {
  readonly posts: Post[];
  readonly cancels: Cancel[];
}

export interface LoadOptions {
  readonly apiUrl: string;
  /** The URL of the receiver, in which each job's webhook has its own path. */
  readonly receiverUrl: string;
  /** Pictures for img2img, as base64. */
  readonly pictures: readonly string[];
}

const RETRY_MS = 250;
/** How long a cancel waits for its job to run or end. */
const PATIENCE_MS = 15_000;
const POLL_MS = 60;

/** Posts and cancels jobs as planned. Resolves when all posts and cancels were answered. */
export async function runLoad(
  jobs: readonly PlannedJob[],
  { apiUrl, receiverUrl, pictures }: LoadOptions,
): Promise<Load> {
  const load: Load = { posts: [], cancels: [] };
  const underWay: Promise<void>[] = [];
  for (const job of jobs) {
    await delay(job.afterMs);
    underWay.push(lifeOf(job));
  }
  await Promise.all(underWay);
  return load;

  async function lifeOf(job: PlannedJob): Promise<void> {
    const posts = Array.from({ length: job.repeats?.posts ?? 1 }, () => post(job));
    const [id = ''] = await Promise.all(posts);
    if (job.cancel === undefined) return;
    const { when, times } = job.cancel;
    if (typeof when === 'number') await delay(when);
    else await untilIs(id, when, job);
    for (let n = 0; n < times; n += 1) await cancel(id, job);
  }

  /** Posts a job until it is answered 202. */
  async function post(job: PlannedJob): Promise<string> {
    const { tag, path, caller, repeats } = job;
    const body = wholeBody(job);
    for (;;) {
      const question = { method: 'POST', key: caller.key, idempotencyKey: repeats?.key, body };
      const answer = await ask(`${apiUrl}${path}`, question);
      const jobId = answer.status === 202 ? (answer.body as Job).id : undefined;
      load.posts.push({ ...answer, tag, jobId });
      if (jobId !== undefined) return jobId;
      await delay(RETRY_MS);
    }
  }

  function wholeBody({ tag, body, picture, callback: { form, secret, events } }: PlannedJob): object {
    const url = `${receiverUrl}/${tag}`;
    return {
      ...body,
      ...(picture === undefined ? {} : { image: pictures[picture] }),
      ...(form === 'webhook' ? { webhook: { url, secret, events } } : { webhook_url: url }),
    };
  }

  /** Cancels a job, with retries until there is an answer. */
  async function cancel(jobId: string, { caller: { key } }: PlannedJob): Promise<void> {
    for (;;) {
      const answer = await ask(`${apiUrl}/jobs/${jobId}/cancel`, { method: 'POST', key });
      const jobStatus = answer.status === 200 ? (answer.body as Job).status : undefined;
      load.cancels.push({ ...answer, jobId, jobStatus });
      if (answer.status === 200 || answer.status === 404) return;
      await delay(RETRY_MS);
    }
  }

  async function untilIs(id: string, moment: 'running' | 'finished', { caller: { key } }: PlannedJob): Promise<void> {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
      const { status, body } = await ask(`${apiUrl}/jobs/${id}`, { method: 'GET', key });
      const job = status === 200 ? (body as Job) : undefined;
      if (job !== undefined && (job.finished_at !== null || job.status === moment)) return;
      await delay(POLL_MS);
    }
  }
}
