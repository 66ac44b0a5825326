import { createHash } from 'node:crypto';
import { graphOf, type InputValue, type ResolvedRequest } from '@comfy-fleet/contracts';

/** Characters of a digest: two of some thousand needs are the same once in 10^11 fleets. */
const LENGTH = 10;
/** Names of models and options have no more. */
const MOST_CHARS = 256;

/** What decides which instances can run a job and what they have to load for it: jobs with the same need are alike in that. */
export function needOf(request: ResolvedRequest): string {
  const { shape, inputs, outputs } = request;
  const chosen = Object.entries(inputs).filter(([name, value]) => mayChoose(name, value));
  const parts = JSON.stringify([
    graphOf(request),
    shape === undefined ? chosen.sort(([a], [b]) => (a < b ? -1 : 1)) : [],
    outputs,
  ]);
  return createHash('sha1').update(parts).digest('base64url').slice(0, LENGTH);
}

/** Models, samplers and other options are names: not seeds, and no sentences, of which each job has its own. */
function mayChoose(name: string, value: InputValue): boolean {
  if (name === 'prompt' || name === 'negative_prompt' || typeof value !== 'string') return false;
  if (['checkpoint', 'sampler', 'scheduler'].includes(name)) return true;
  return value.length <= MOST_CHARS && !/^\d*$|\s{2}|\n|[,.!?]\s/.test(value) && value.split(' ').length <= 4;
}
