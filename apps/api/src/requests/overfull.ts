import type { FieldError } from '@comfy-fleet/contracts';

/** Far more fields than any object of a request has, metadata included. */
const MOST_FIELDS = 100;

/**
 * The fault of a body with far too many fields, at its top or one level below. Each would be checked, looked for among
 * the known ones and answered by a fault of its own.
 */
export function overfull(body: unknown): FieldError[] {
  const here = faultOf(body, '');
  if (here !== undefined || typeof body !== 'object' || body === null) return here === undefined ? [] : [here];
  const below = Object.entries(body).map(([name, value]) => faultOf(value, `/${name}`));
  return below.filter((fault) => fault !== undefined);
}

function faultOf(value: unknown, pointer: string): FieldError | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const count = Object.keys(value).length;
  return count > MOST_FIELDS ? { pointer, detail: `has ${count} entries; ${MOST_FIELDS} are the most` } : undefined;
}
