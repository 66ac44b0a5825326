import type { Job, JobList } from './api-types.js';
import { JobHandle } from './job-handle.js';
import type { Abortable, Transport } from './transport.js';

/** Selects jobs of the caller's key. Times are ISO 8601. */
export interface JobFilter {
  readonly status?: Job['status'] | undefined;
  readonly lod?: Job['lod'] | undefined;
  readonly kind?: Job['kind'] | undefined;
  /** The name of the workflow. */
  readonly workflow?: string | undefined;
  /** The id of the job that they were made from. */
  readonly parent?: string | undefined;
  readonly waiting_for?: string | undefined;
  readonly created_after?: string | undefined;
  readonly created_before?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export interface PageOptions {
  /** 1 to 100. */
  readonly limit?: number | undefined;
  /** `next` of the previous page. */
  readonly cursor?: string | undefined;
}

export interface JobPage {
  readonly jobs: readonly JobHandle[];
  /** The cursor of the next page; undefined on the last. */
  readonly next: string | undefined;
}

export interface Jobs {
  get(id: string, options?: Abortable): Promise<JobHandle>;
  /** A handle for a job from an answer, an event or a webhook. */
  from(job: Job): JobHandle;
  /** One page of jobs, newest first. With a filter, a page may be short although there is a next one. */
  page(filter?: JobFilter & PageOptions, options?: Abortable): Promise<JobPage>;
  /** All jobs, newest first, loaded page by page as they are read. */
  list(filter?: JobFilter, options?: Abortable): AsyncGenerator<JobHandle>;
}

const PAGE = 100;

export function createJobs(transport: Transport): Jobs {
  const page: Jobs['page'] = async ({ metadata = {}, ...filter } = {}, options = {}) => {
    const named = Object.entries(metadata).map(([name, value]) => [`metadata.${name}`, value]);
    const query = { ...filter, ...Object.fromEntries(named) };
    const { data, next_cursor } = await transport.json<JobList>('/jobs', { ...options, query });
    return { jobs: data.map((job) => new JobHandle(transport, job)), next: next_cursor ?? undefined };
  };
  const list: Jobs['list'] = async function* (filter = {}, options = {}) {
    let cursor: string | undefined;
    do {
      const { jobs, next } = await page({ ...filter, limit: PAGE, cursor }, options);
      yield* jobs;
      cursor = next;
    } while (cursor !== undefined);
  };
  return {
    get: async (id, options = {}) =>
      new JobHandle(transport, await transport.json<Job>(`/jobs/${encodeURIComponent(id)}`, options)),
    from: (job) => new JobHandle(transport, job),
    page,
    list,
  };
}
