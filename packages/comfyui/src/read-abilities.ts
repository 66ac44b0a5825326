import type { Abilities } from '@comfy-fleet/contracts';
import { choicesOf, describeReplaced, type Replacement, readReplacements } from '@comfy-fleet/workflows';
import type { ComfyClient } from './client.js';

/**
 * Asks an instance what it has of these node classes, one after the other: a few kB in place of its whole catalogue.
 * Throws as the client does.
 */
export async function readAbilities(
  client: Pick<ComfyClient, 'nodeClass' | 'nodeReplacements'>,
  classes: Iterable<string>,
  signal: AbortSignal,
): Promise<Abilities> {
  const abilities: Record<string, Abilities[string]> = {};
  let replacements: ReadonlyMap<string, Replacement> | undefined;
  for (const className of classes) {
    const description = await client.nodeClass(signal, className);
    if (description !== undefined) {
      abilities[className] = choicesOf(className, description);
      continue;
    }
    replacements ??= readReplacements(await client.nodeReplacements(signal));
    const replacement = replacements.get(className);
    const instead = replacement && (await client.nodeClass(signal, replacement.className));
    if (replacement && instead) abilities[className] = choicesOf(className, describeReplaced(replacement, instead));
  }
  return abilities;
}
