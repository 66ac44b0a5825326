import type { Job } from '@comfy-fleet/contracts';
import { until } from './lifecycle.js';

/** Common calls of end-to-end tests; each answers the job and throws for another status. */
export interface JobClient {
  generate(body: object): Promise<Job>;
  img2img(body: object): Promise<Job>;
  get(id: string): Promise<Job>;
  cancel(id: string): Promise<Job>;
  /** The job after it has ended. */
  ended(id: string): Promise<Job>;
}

const DEADLINE_MS = 65_000;

export function jobClient(url: string): JobClient {
  const ask = async (path: string, expected: number, init: RequestInit = {}): Promise<Job> => {
    const answer = await fetch(`${url}${path}`, { ...init, signal: AbortSignal.timeout(DEADLINE_MS) });
    if (answer.status !== expected) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Job;
  };
  const post = (path: string, body: object) =>
    ask(path, 202, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const client: JobClient = {
    generate: (body) => post('/generate', body),
    img2img: (body) => post('/img2img', body),
    get: (id) => ask(`/jobs/${id}`, 200),
    cancel: (id) => ask(`/jobs/${id}/cancel`, 200, { method: 'POST' }),
    ended: (id) =>
      until(`job ${id} ends`, async () => {
        const job = await ask(`/jobs/${id}?wait=30`, 200);
        return job.finished_at !== null && job;
      }),
  };
  return client;
}
