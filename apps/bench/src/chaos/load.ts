import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from '@comfy-fleet/contracts';
import { type Answer, ask } from './http.js';
import type { PlannedJob } from './plan.js';

/** One POST of a job; a planned job is posted until one of its posts is answered 202. */
export interface Post extends Answer {
  readonly tag: string;
  readonly jobId: string | undefined;
}

export interface Cancel extends Answer {
  readonly jobId: string;
  /** The job's status in the answer. */
  readonly jobStatus: string | undefined;
}

export interface Load {
  readonly posts: Post[];
  readonly cancels: Cancel[];
}

const RETRY_MS = 250;
/** For a cancel that waits for its job to run or to end. */
const PATIENCE_MS = 15_000;
const LOOK_MS = 60;

/** Posts every planned job at its time and cancels those that are to be canceled. Resolves when all of it is done. */
export async function runLoad(apiUrl: string, jobs: readonly PlannedJob[], pictures: readonly string[]): Promise<Load> {
  const load: Load = { posts: [], cancels: [] };
  const underWay: Promise<void>[] = [];
  for (const job of jobs) {
    await delay(job.afterMs);
    underWay.push(lifeOf(job));
  }
  await Promise.all(underWay);
  return load;

  async function lifeOf(job: PlannedJob): Promise<void> {
    const id = await post(job);
    if (job.cancel === undefined) return;
    const { when, times } = job.cancel;
    if (typeof when === 'number') await delay(when);
    else await untilIs(id, when);
    for (let n = 0; n < times; n += 1) await cancel(id);
  }

  async function post({ tag, path, body, picture }: PlannedJob): Promise<string> {
    const whole = picture === undefined ? body : { ...body, image: pictures[picture] };
    for (;;) {
      const answer = await ask(`${apiUrl}${path}`, 'POST', whole);
      const jobId = answer.status === 202 ? (answer.body as Job).id : undefined;
      load.posts.push({ ...answer, tag, jobId });
      if (jobId !== undefined) return jobId;
      await delay(RETRY_MS);
    }
  }

  /** Until it was answered. */
  async function cancel(jobId: string): Promise<void> {
    for (;;) {
      const answer = await ask(`${apiUrl}/jobs/${jobId}/cancel`, 'POST');
      const jobStatus = answer.status === 200 ? (answer.body as Job).status : undefined;
      load.cancels.push({ ...answer, jobId, jobStatus });
      if (answer.status === 200 || answer.status === 404) return;
      await delay(RETRY_MS);
    }
  }

  async function untilIs(id: string, moment: 'running' | 'finished'): Promise<void> {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
      const { status, body } = await ask(`${apiUrl}/jobs/${id}`, 'GET');
      const job = status === 200 ? (body as Job) : undefined;
      if (job !== undefined && (job.finished_at !== null || job.status === moment)) return;
      await delay(LOOK_MS);
    }
  }
}
