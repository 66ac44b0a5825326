import { readFileSync } from 'node:fs';
import { isObject, type Json, type JsonObject, parseJson } from '../src/python.js';
import type { ComfyVersion } from '../src/settings.js';

/*
 * fixtures/<version>/*.jsonl are trimmed recordings of real servers: one exchange or frame per line, only relevant
 * headers, `…` for tracebacks, `tensor(…)` for printed tensors, and the first eight bytes of binary frames.
 */

export interface Exchange {
  readonly name: string;
  readonly request?: {
    readonly method: string;
    readonly path: string;
    readonly headers?: Record<string, string>;
    readonly body?: Json;
    readonly body_text?: string;
  };
  readonly response?: Answer;
  /** Observations made next to the exchange. */
  readonly ws_execution_cached_nodes?: Json;
  readonly ws_types_in_order?: Json;
  readonly outputs?: JsonObject;
  readonly execution_cached?: Json;
  readonly status?: Json;
  readonly messages?: Json;
  readonly binary_frames?: Json;
  readonly order?: Json;
  readonly output_size?: Json;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: Json;
  readonly body_text?: string;
  readonly body_bytes?: number;
}

export function recording(version: ComfyVersion, name: string): Exchange[] {
  return lines(version, name) as unknown as Exchange[];
}

/** The frames of one socket. The first line of the file is returned as `meta`. */
export function socketRecording(version: ComfyVersion, name: string): { meta: JsonObject; frames: Json[] } {
  const [first, ...frames] = lines(version, name);
  if (!isObject(first) || !isObject(first.meta)) throw new Error(`${name} has no meta line`);
  return { meta: first.meta, frames };
}

function lines(version: ComfyVersion, name: string): Json[] {
  const text = readFileSync(new URL(`./fixtures/${version}/${name}.jsonl`, import.meta.url), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseJson);
}

export function asObject(value: Json | undefined): JsonObject {
  if (!isObject(value)) throw new Error('not an object');
  return value;
}
