import type { Abilities } from '@comfy-fleet/contracts';
import type { ComfyClient } from './client.js';

/**
 * Asks an instance what it has of what workflows ask for, node classes with those of their inputs that may be choices; a
 * class after the other, a few kB in place of 700. Throws as the client does.
 */
export async function readAbilities(
  client: Pick<ComfyClient, 'objectInfo'>,
  asked: ReadonlyMap<string, ReadonlySet<string>>,
  signal: AbortSignal,
): Promise<Abilities> {
  const abilities: Record<string, Record<string, readonly string[]>> = {};
  for (const [className, inputs] of asked) {
    const info = await client.objectInfo(signal, className);
    if (!info.classes.has(className)) continue;
    const choices: Record<string, readonly string[]> = {};
    for (const input of inputs) {
      const found = info.choices(className, input);
      if (found !== undefined) choices[input] = found;
    }
    abilities[className] = choices;
  }
  return abilities;
}
