import type { ComfyClient } from '@comfy-fleet/comfyui';
import type { Abilities } from '@comfy-fleet/contracts';
import type { Asked } from '@comfy-fleet/workflows';

/** Asks an instance what it has of what the workflows ask for; a class after the other, a few kB in place of 700. */
export async function readAbilities(client: ComfyClient, asked: Asked, signal: AbortSignal): Promise<Abilities> {
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
