import type { JobFilter } from '@comfy-fleet/client';

/** The gallery's filters, as texts in the page's address. */
export interface Filters {
  readonly status: string;
  /** The workflow's name. */
  readonly workflow: string;
  readonly lod: string;
  /** The first and the last day to show, such as `2026-11-27`. */
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

/** Converts the filters for the API. Days are in the user's time zone. */
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

/** What is wrong with a metadata filter. */
export function metadataFault(text: string): string | undefined {
  if (text.trim() === '' || metadataOf(text) !== undefined) return undefined;
  return 'The metadata filter is not applied: write name=value, such as order=7.';
}

function metadataOf(text: string) {
  const [name = '', ...rest] = text.split('=');
  return name.trim() === '' || rest.length === 0 ? undefined : { name: name.trim(), value: rest.join('=').trim() };
}

function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && Number.isFinite(Date.parse(text));
}
