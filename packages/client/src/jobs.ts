import type { Job, JobList } from './api-types.js';
import { JobHandle } from './job-handle.js';
import type { Abortable, Transport } from './transport.js';

/** Which of one's jobs; times as ISO 8601. */
export interface JobFilter {
  readonly status?: Job['status'];
  readonly lod?: Job['lod'];
  readonly kind?: Job['kind'];
  readonly waiting_for?: string;
  readonly created_after?: string;
  readonly created_before?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface Jobs {
  get(id: string, options?: Abortable): Promise<JobHandle>;
  /** Newest first, page by page as far as they are read. */
  list(filter?: JobFilter, options?: Abortable): AsyncGenerator<JobHandle>;
}

const PAGE = 100;

export function createJobs(transport: Transport): Jobs {
  const list = async function* (
    { metadata = {}, ...filter }: JobFilter = {},
    options: Abortable = {},
  ): AsyncGenerator<JobHandle> {
    const named = Object.entries(metadata).map(([name, value]) => [`metadata.${name}`, value]);
    const asked = { ...filter, ...Object.fromEntries(named), limit: PAGE };
    let cursor: string | undefined;
    do {
      const page = await transport.json<JobList>('/jobs', { ...options, query: { ...asked, cursor } });
      for (const job of page.data) yield new JobHandle(transport, job);
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
  };
  return {
    get: async (id, options = {}) =>
      new JobHandle(transport, await transport.json<Job>(`/jobs/${encodeURIComponent(id)}`, options)),
    list,
  };
}
