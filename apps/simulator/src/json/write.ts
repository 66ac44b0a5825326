import { floatText } from '@comfy-fleet/workflows';
import { Float } from './values.js';

/** What the writer takes: `Json`, and maps for objects whose order of keys matters. Undefined members are left out. */
export type Writable =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | Float
  | string
  | readonly Writable[]
  | ReadonlyMap<string, Writable>
  | { readonly [key: string]: Writable };

/** Writes JSON byte for byte as Python's json.dumps does: blanks after `,` and `:`, ASCII only, floats with a point. */
export function writeJson(value: Writable): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : special(value);
  if (value instanceof Float) return Number.isFinite(value.value) ? floatText(value.value) : special(value.value);
  if (isList(value)) return `[${value.map(writeJson).join(', ')}]`;
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  const members: string[] = [];
  for (const [key, member] of entries) if (member !== undefined) members.push(`${quote(key)}: ${writeJson(member)}`);
  return `{${members.join(', ')}}`;
}

function isList(value: object): value is readonly Writable[] {
  return Array.isArray(value);
}

function special(value: number): string {
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}

function quote(text: string): string {
  const quoted = JSON.stringify(text);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the whole of ASCII is what may stay as it is
  return /^[\x00-\x7e]*$/.test(quoted)
    ? quoted
    : quoted.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
