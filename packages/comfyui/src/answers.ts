import { FleetError } from '@comfy-fleet/contracts';
import { InstanceUnreachable } from './errors.js';
import type { HttpAnswer } from './http.js';
import { parseAnswer } from './json.js';

/** Answers of a proxy in front of a ComfyUI that is not there; ComfyUI's own failures are 500. */
const GATEWAY = new Set([502, 503, 504]);

/** What an unexpected status means. `what` names the request, such as `GET /queue`. */
export function unexpectedStatus(instance: string, what: string, status: number): FleetError {
  const detail = `The ComfyUI instance ${instance} answered ${status} to ${what}.`;
  if (GATEWAY.has(status)) return new InstanceUnreachable(detail, { mayHaveArrived: true });
  return new FleetError('comfyui_error', detail);
}

/**
 * The body of a 200 in the shape that `read` knows; `read` answers undefined for any other. Throws instance_unreachable
 * for 502 to 504, comfyui_error for any other status, for what is not JSON and for another shape.
 */
export function readAnswer<T>(
  instance: string,
  what: string,
  { status, text }: HttpAnswer,
  read: (body: unknown) => T | undefined,
): T {
  if (status !== 200) throw unexpectedStatus(instance, what, status);
  let body: unknown;
  try {
    body = parseAnswer(text);
  } catch (cause) {
    throw new FleetError('comfyui_error', `The ComfyUI instance ${instance} did not answer in JSON to ${what}.`, {
      cause,
    });
  }
  const value = read(body);
  if (value !== undefined) return value;
  throw new FleetError('comfyui_error', `The ComfyUI instance ${instance} answered something unknown to ${what}.`);
}
