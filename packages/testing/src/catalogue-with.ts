import { createHash } from 'node:crypto';
import type { Abilities } from '@comfy-fleet/contracts';

/** What a ComfyUI that has exactly this says of its nodes, for AbilityRegistry.publish. */
export function catalogueWith(abilities: Abilities, replacements: object = {}) {
  const classes = Object.entries(abilities).map(([name, choices]): [string, string] => {
    const required = Object.fromEntries(Object.entries(choices).map(([input, options]) => [input, [options, {}]]));
    return [name, JSON.stringify({ input: { required }, name })];
  });
  const digest = createHash('sha256')
    .update(JSON.stringify([classes, replacements]))
    .digest('hex');
  return { digest, classes, replacements };
}
