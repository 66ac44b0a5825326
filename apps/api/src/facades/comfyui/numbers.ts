import { refused } from './refusal.js';

/** A whole number of the query; undefined where it has none. Throws a ComfyuiRefusal for anything else. */
export function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^\s*[+-]?\d{1,15}\s*$/.test(text)) throw refused('invalid_request', `${name} must be a whole number`);
  return Number(text);
}
