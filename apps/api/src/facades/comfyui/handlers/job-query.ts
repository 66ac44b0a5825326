/** What of the jobs is asked for. */
export interface JobQuery {
  /** Undefined: all. */
  readonly statuses: ReadonlySet<string> | undefined;
  readonly workflowId: string | undefined;
  readonly sortBy: 'created_at' | 'execution_duration';
  readonly ascending: boolean;
  readonly limit: number | undefined;
  readonly offset: number;
}

const STATUSES = ['pending', 'in_progress', 'completed', 'failed', 'cancelled'];
const WHOLE = /^\s*[+-]?\d{1,15}\s*$/;

/** Answers what is wrong with it in ComfyUI's words. */
export function readJobQuery(query: URLSearchParams): JobQuery | string {
  const asked = query.get('status') ?? '';
  const wanted = asked.split(',').map((status) => status.trim().toLowerCase());
  const unknown = wanted.filter((status) => status !== '' && !STATUSES.includes(status));
  if (unknown.length > 0) return `Invalid status value(s): ${unknown.join(', ')}. Valid values: ${STATUSES.join(', ')}`;
  const sortBy = (query.get('sort_by') ?? 'created_at').toLowerCase();
  if (sortBy !== 'created_at' && sortBy !== 'execution_duration') {
    return "sort_by must be 'created_at' or 'execution_duration'";
  }
  const sortOrder = (query.get('sort_order') ?? 'desc').toLowerCase();
  if (sortOrder !== 'asc' && sortOrder !== 'desc') return "sort_order must be 'asc' or 'desc'";
  const [limit, offset] = [query.get('limit'), query.get('offset')];
  if (limit !== null && !WHOLE.test(limit)) return 'limit must be an integer';
  if (limit !== null && Number(limit) < 1) return 'limit must be a positive integer';
  if (offset !== null && !WHOLE.test(offset)) return 'offset must be an integer';
  return {
    statuses: asked === '' ? undefined : new Set(wanted),
    workflowId: query.get('workflow_id') || undefined,
    sortBy,
    ascending: sortOrder === 'asc',
    limit: limit === null ? undefined : Number(limit),
    offset: Math.max(0, Number(offset ?? 0)),
  };
}
