import { FleetError } from '@comfy-fleet/contracts';
import { parseJson, showJson } from '@comfy-fleet/workflows';
import type { RawBody, Reply } from '../http/messages.js';

/** An answer in which whole numbers are exact beyond 2^53: seeds of graphs, and the bounds of inputs. */
export function exactJson(status: number, value: object, headers: Reply['headers'] = {}): Reply {
  return { status, headers, body: showJson(value) };
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** A body of JSON in which whole numbers beyond 2^53 are bigints, or what else `parse` makes of it. Throws malformed_json. */
export function readExactJson(raw: RawBody | undefined): unknown;
export function readExactJson<T>(raw: RawBody | undefined, parse: (text: string) => T): T;
export function readExactJson(raw: RawBody | undefined, parse: (text: string) => unknown = parseJson): unknown {
  try {
    return parse(utf8Text(raw?.data ?? Buffer.alloc(0)));
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    throw new FleetError('malformed_json', `The body ${(cause as Error).message}.`, { cause });
  }
}

/** Throws malformed_json for bytes that are no text. */
export function utf8Text(data: Buffer): string {
  try {
    return UTF8.decode(data);
  } catch (cause) {
    throw new FleetError('malformed_json', 'The body is not valid UTF-8.', { cause });
  }
}
