import type { JobRecord } from '@comfy-fleet/jobs';
import type { PromptOrigin } from '../prompts/origin.js';

/**
 * ComfyUI's number of a prompt, by which clients sort the queue: the caller's own number, or the time of the order, negated
 * for a prompt that goes to the front. Some clients read it as a 32-bit integer, so the time is in seconds since 1970.
 */
export function numberOf(
  { createdAt }: Pick<JobRecord, 'createdAt'>,
  { number, front }: { readonly [Name in 'number' | 'front']?: PromptOrigin[Name] | undefined },
): number {
  const seconds = Math.floor(createdAt / 1000);
  return number ?? (front === true ? -seconds : seconds);
}
