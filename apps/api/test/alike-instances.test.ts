import { resolve } from 'node:path';
import { loadConfig } from '@comfy-fleet/config';
import type { Abilities, InstanceAbilities } from '@comfy-fleet/contracts';
import { loadWorkflows, randomSeed, resolveRequest } from '@comfy-fleet/workflows';
import { describe, expect, it } from 'vitest';
import { pointersOf } from '../src/orders/pointers.js';
import { refuseImpossible } from '../src/orders/refuse-job.js';
import { findMismatches } from '../src/resources/fleet/fleet.js';

const named = (...all: Abilities[]): InstanceAbilities[] =>
  all.map((abilities, index) => ({ instance: `gpu/${index + 1}`, seenAt: 0, abilities }));

/** Abilities that count how often anybody looks at one of their nodes. */
function watched(abilities: Abilities) {
  let looks = 0;
  const counting = {};
  for (const [node, inputs] of Object.entries(abilities)) {
    const get = () => {
      looks += 1;
      return inputs;
    };
    Object.defineProperty(counting, node, { enumerable: true, get });
  }
  return { abilities: counting as Abilities, looks: () => looks };
}

/** How often `work` looks at what `count` instances can do that share one object. */
function looksFor(count: number, abilities: Abilities, work: (instances: InstanceAbilities[]) => void): number {
  const shared = watched(abilities);
  work(named(...Array.from({ length: count }, () => shared.abilities)));
  return shared.looks();
}

describe('findMismatches', () => {
  it('names for each instance what it lacks, in the order of the instances', () => {
    const small = { Loader: { lora: ['a'], vae: ['v'] }, Save: {} };
    const large = { Loader: { lora: ['a', 'b', 'c'], vae: ['v'] } };
    const other = { Loader: { lora: ['d'] }, Save: {} };
    const lacksOf = (instance: string, lora: string[]) => ({ instance, node: 'Loader', input: 'lora', lacks: lora });
    const noVae = (instance: string) => ({ instance, node: 'Loader', input: 'vae', lacks: ['v'] });
    expect(findMismatches(named(small, large, other, small))).toEqual([
      lacksOf('gpu/1', ['b', 'c', 'd']),
      lacksOf('gpu/2', ['d']),
      { instance: 'gpu/2', node: 'Save', input: null, lacks: ['Save'] },
      lacksOf('gpu/3', ['a', 'b', 'c']),
      noVae('gpu/3'),
      lacksOf('gpu/4', ['b', 'c', 'd']),
    ]);
  });

  it('takes a node or an input for lacking whose name every JavaScript object knows', () => {
    const odd = { Loader: { constructor: ['x'] }, toString: {} };
    expect(findMismatches(named({ Loader: {} }, odd))).toEqual([
      { instance: 'gpu/1', node: 'Loader', input: 'constructor', lacks: ['x'] },
      { instance: 'gpu/1', node: 'toString', input: null, lacks: ['toString'] },
    ]);
  });

  it('compares instances once that share what they can do', () => {
    const abilities = { Loader: { lora: ['a', 'b'] }, Save: {} };
    expect(looksFor(64, abilities, findMismatches)).toBe(looksFor(1, abilities, findMismatches));
    expect(looksFor(1, abilities, findMismatches)).toBeGreaterThan(0);
  });
});

describe('refuseImpossible', () => {
  it('tests a request once against instances that share what they can do', async () => {
    const { limits } = loadConfig({});
    const { byName, profiles } = await loadWorkflows(resolve(import.meta.dirname, '../../../workflows'));
    const workflow = byName.get('text2img');
    if (workflow === undefined) throw new Error('there is no text2img');
    const request = resolveRequest({ workflow, profiles, request: { prompt: 'a fox' }, randomSeed, limits });
    const refuse = (instances: InstanceAbilities[]) =>
      expect(() => refuseImpossible(workflow, request, 'default', instances, pointersOf(workflow))).toThrow(
        /needs the node/,
      );
    expect(looksFor(64, { SaveImage: {} }, refuse)).toBe(looksFor(1, { SaveImage: {} }, refuse));
    expect(looksFor(1, { SaveImage: {} }, refuse)).toBeGreaterThan(0);
  });
});
