import type { JobFilter } from '@comfy-fleet/client';

/** What the gallery can be narrowed to; texts as they stand in the address of the page. */
export interface Filters {
  readonly status: string;
  /** Its name. */
  readonly workflow: string;
  readonly lod: string;
  /** A day, `2026-11-27`, the first and the last that are shown. */
  readonly from: string;
  readonly to: string;
  /** `name=value` */
  readonly metadata: string;
}

export const NO_FILTERS: Filters = { status: '', workflow: '', lod: '', from: '', to: '', metadata: '' };

export function readFilters(search: URLSearchParams): Filters {
  const entries = Object.keys(NO_FILTERS).map((name) => [name, search.get(name) ?? '']);
  return Object.fromEntries(entries) as unknown as Filters;
}

/** As the API takes them. Days are those of whoever looks. */
export function filterOf({ status, workflow, lod, from, to, metadata }: Filters): JobFilter {
  const wanted = metadataOf(metadata);
  return {
    ...(status === '' ? {} : { status: status as NonNullable<JobFilter['status']> }),
    ...(workflow === '' ? {} : { workflow }),
    ...(lod === '' ? {} : { lod: lod as NonNullable<JobFilter['lod']> }),
    ...(isDay(from) ? { created_after: new Date(`${from}T00:00:00`).toISOString() } : {}),
    ...(isDay(to) ? { created_before: new Date(`${to}T23:59:59.999`).toISOString() } : {}),
    ...(wanted === undefined ? {} : { metadata: { [wanted.name]: wanted.value } }),
  };
}

/** Why the text cannot be looked for. */
export function metadataFault(text: string): string | undefined {
  if (text.trim() === '' || metadataOf(text) !== undefined) return undefined;
  return 'The filter for metadata is not applied: write name=value, such as order=7.';
}

function metadataOf(text: string) {
  const [name = '', ...rest] = text.split('=');
  return name.trim() === '' || rest.length === 0 ? undefined : { name: name.trim(), value: rest.join('=').trim() };
}

function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && Number.isFinite(Date.parse(text));
}
