import { LODS, type Lod, MAX_PRIORITY } from '@comfy-fleet/contracts';

/** Among the waiting jobs of a key the lower level comes first: it is made of priority and, after it, level of detail. */
export function turnLevel({ priority, lod }: { readonly priority: number; readonly lod: Lod }): number {
  return (MAX_PRIORITY - priority) * LODS.length + LODS.indexOf(lod);
}
