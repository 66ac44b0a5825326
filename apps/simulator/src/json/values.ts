import { Float, isTruthy } from '@comfy-fleet/workflows';

export { Float, isTruthy };

/**
 * JSON as Python sees it. Python tells 7 from 7.0 and knows integers of any size, and ComfyUI's answers, its stored
 * graphs and the text inside its PNGs show that: a seed is exact up to 2^64−1, and `cfg: 7` comes back as 7.0. A plain JavaScript number in a `Json` is an integer.
 */
export type Json = null | boolean | number | bigint | Float | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Float);
}

/** A number for arithmetic; integers beyond 2^53 lose their last digits here, and only here. */
export function toNumber(value: Json | undefined, otherwise = 0): number {
  if (value instanceof Float) return value.value;
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' ? value : otherwise;
}
