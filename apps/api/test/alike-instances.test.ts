import { resolve } from 'node:path';
import { loadConfig } from '@comfy-fleet/config';
import type { Abilities, InstanceAbilities } from '@comfy-fleet/contracts';
import { loadWorkflows, randomSeed, resolveRequest } from '@comfy-fleet/workflows';
import { describe, expect, it } from 'vitest';
import { pointersOf } from '../src/orders/pointers.js';
import { refuseImpossible } from '../src/orders/refuse-job.js';

const named = (...all: Abilities[]): InstanceAbilities[] =>
  all.map((abilities, index) => ({ instance: `gpu/${index + 1}`, seenAt: 0, abilities }));

/** Abilities that count how often one of their nodes is read. */
function counted(abilities: Abilities) {
  let reads = 0;
  const counting = {};
  for (const [node, inputs] of Object.entries(abilities)) {
    const get = () => {
      reads += 1;
      return inputs;
    };
    Object.defineProperty(counting, node, { enumerable: true, get });
  }
  return { abilities: counting as Abilities, reads: () => reads };
}

/** How often `work` reads the abilities of `count` instances that share one object. */
function readsFor(count: number, abilities: Abilities, work: (instances: InstanceAbilities[]) => void): number {
  const shared = counted(abilities);
  work(named(...Array.from({ length: count }, () => shared.abilities)));
  return shared.reads();
}

describe('refuseImpossible', () => {
  it('checks a request only once against instances that share their abilities', async () => {
    const { limits } = loadConfig({});
    const { byName, profiles } = await loadWorkflows(resolve(import.meta.dirname, '../../../workflows'));
    const workflow = byName.get('text2img');
    if (workflow === undefined) throw new Error('there is no text2img');
    const request = resolveRequest({ workflow, profiles, request: { prompt: 'a fox' }, randomSeed, limits });
    const refuse = (instances: InstanceAbilities[]) =>
      expect(() => refuseImpossible(workflow, request, 'default', instances, pointersOf(workflow))).toThrow(
        /needs the node/,
      );
    expect(readsFor(64, { SaveImage: {} }, refuse)).toBe(readsFor(1, { SaveImage: {} }, refuse));
    expect(readsFor(1, { SaveImage: {} }, refuse)).toBeGreaterThan(0);
  });
});
