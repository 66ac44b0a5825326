import type { Abilities, InstanceAbilities, PoolMismatch } from '@comfy-fleet/contracts';

/** By node and input, the choices that any instance has. */
type Everything = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

/** Where the instances of a pool are not alike: what one lacks and another has, by instance, node and input. */
export function findMismatches(instances: readonly InstanceAbilities[]): PoolMismatch[] {
  // Most instances are alike and then share one object; what differs may have thousands of LoRAs.
  const different = new Set(instances.map(({ abilities }) => abilities));
  const all = everything(different);
  const lacks = new Map([...different].map((abilities) => [abilities, lacksOf(abilities, all)]));
  return instances.flatMap(({ instance, abilities }) =>
    (lacks.get(abilities) ?? []).map((lack) => ({ instance, ...lack })),
  );
}

function everything(different: Iterable<Abilities>): Everything {
  const all = new Map<string, Map<string, Set<string>>>();
  for (const abilities of different) {
    for (const [node, inputs] of Object.entries(abilities)) {
      const known = all.get(node) ?? new Map<string, Set<string>>();
      all.set(node, known);
      for (const [input, choices] of Object.entries(inputs)) {
        const found = known.get(input) ?? new Set<string>();
        known.set(input, found);
        for (const choice of choices) found.add(choice);
      }
    }
  }
  return all;
}

function lacksOf(abilities: Abilities, all: Everything): Omit<PoolMismatch, 'instance'>[] {
  const nodes = new Map(Object.entries(abilities));
  return [...all].flatMap(([node, inputs]): Omit<PoolMismatch, 'instance'>[] => {
    const own = nodes.get(node);
    if (own === undefined) return [{ node, input: null, lacks: [node] }];
    const has = new Map(Object.entries(own));
    return [...inputs].flatMap(([input, choices]) => {
      const ownChoices = new Set(has.get(input));
      const lacks = [...choices].filter((choice) => !ownChoices.has(choice));
      return lacks.length === 0 ? [] : [{ node, input, lacks }];
    });
  });
}
