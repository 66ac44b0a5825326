import { hash } from 'node:crypto';
import { graphOf, type ResolvedRequest } from '@comfy-fleet/contracts';
import { mayBeOption } from '@comfy-fleet/workflows';

/** Characters of a digest: two of some thousand are the same once in 10^11 fleets. */
const LENGTH = 10;

/** Jobs with the same affinity key can be run by the same instances, which have to load the same for them. */
export function affinityKeyOf(request: ResolvedRequest): string {
  const { shape, inputs, outputs, choices } = request;
  const chosen = Object.entries(inputs).filter(([name, value]) => choices?.includes(name) ?? mayBeOption(name, value));
  const parts = JSON.stringify([
    graphOf(request),
    shape === undefined ? chosen.sort(([a], [b]) => (a < b ? -1 : 1)) : [],
    outputs,
  ]);
  return hash('sha1', parts, 'base64url').slice(0, LENGTH);
}
