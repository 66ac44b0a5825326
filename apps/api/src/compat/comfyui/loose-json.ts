import type { ApiRequest } from '../../http/messages.js';
import { readExactJson } from '../../workflows/exact-json.js';

/** The JSON of a body, undefined where there is none. Throws malformed_json. */
export function looseJson({ raw }: Pick<ApiRequest, 'raw'>): unknown {
  return raw === undefined || raw.data.length === 0 ? undefined : readExactJson(raw);
}
