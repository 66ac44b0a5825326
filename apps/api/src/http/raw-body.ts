import type { IncomingMessage } from 'node:http';
import { FleetError } from '@comfy-fleet/contracts';
import { requireUtf8 } from './json-body.js';
import { type JsonLimits, JsonScan } from './json-scan.js';
import { bytesOf, takeBody } from './take-body.js';
import type { UnpackLimits } from './unpacked-body.js';

export interface RawBodyOptions {
  readonly limits: UnpackLimits;
  /** For a body of JSON, which is looked at while it arrives. */
  readonly json: JsonLimits | undefined;
  /** Called with the unpacked bytes, before they are looked at. */
  readonly arrived: (bytes: number) => void;
}

/** Reads a body as it comes. Throws as readJsonBody does, but for JSON that is not valid: nothing is parsed. */
export async function readRawBody(
  request: IncomingMessage,
  { limits, json, arrived }: RawBodyOptions,
): Promise<Buffer> {
  if (json !== undefined) requireUtf8(request.headers['content-type']);
  const scan = json === undefined ? undefined : new JsonScan(json, { bytes: bytesOf(request) });
  const kept: Buffer[] = [];
  await takeBody(request, limits, (chunk) => {
    arrived(chunk.length);
    const fault = scan?.push(chunk);
    if (fault !== undefined) throw new FleetError('body_too_large', `The body has too much in it: ${fault}.`);
    kept.push(chunk);
  });
  const [first] = kept;
  return first !== undefined && kept.length === 1 ? first : Buffer.concat(kept);
}
