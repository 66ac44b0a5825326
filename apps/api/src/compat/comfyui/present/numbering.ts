import type { JobRecord } from '@comfy-fleet/jobs';
import type { PromptOrigin } from '../prompts/origin.js';

/**
 * What ComfyUI calls a prompt's number, by which clients order those that wait: the caller's own, else when it came in ms
 * since 1970; negative for one that was to be put in front. Prompts of one millisecond have the same.
 */
export function numberOf(
  { createdAt }: Pick<JobRecord, 'createdAt'>,
  { number, front }: { readonly [Name in 'number' | 'front']?: PromptOrigin[Name] | undefined },
): number {
  return number ?? (front === true ? -createdAt : createdAt);
}
