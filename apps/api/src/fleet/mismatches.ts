import type { InstanceAbilities, PoolMismatch } from '@comfy-fleet/contracts';

/** Where the instances of a pool are not alike: what one lacks and another has, by instance, node and input. */
export function findMismatches(instances: readonly InstanceAbilities[]): PoolMismatch[] {
  const all = everything(instances);
  return instances.flatMap(({ instance, abilities }) =>
    [...all].flatMap(([node, inputs]): PoolMismatch[] => {
      const own = Object.hasOwn(abilities, node) ? abilities[node] : undefined;
      if (own === undefined) return [{ instance, node, input: null, lacks: [node] }];
      return [...inputs].flatMap(([input, choices]) => {
        const lacks = [...choices].filter((choice) => own[input]?.includes(choice) !== true);
        return lacks.length === 0 ? [] : [{ instance, node, input, lacks }];
      });
    }),
  );
}

/** By node and input, the choices that any of them has. */
function everything(instances: readonly InstanceAbilities[]): Map<string, Map<string, Set<string>>> {
  const all = new Map<string, Map<string, Set<string>>>();
  for (const { abilities } of instances) {
    for (const [node, inputs] of Object.entries(abilities)) {
      const known = all.get(node) ?? new Map<string, Set<string>>();
      all.set(node, known);
      for (const [input, choices] of Object.entries(inputs)) {
        known.set(input, new Set([...(known.get(input) ?? []), ...choices]));
      }
    }
  }
  return all;
}
