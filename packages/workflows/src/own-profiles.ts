import { LODS, type Lod } from '@comfy-fleet/contracts';
import type { InputsFile } from './describe/read-inputs-file.js';
import type { LodProfile } from './lod-profiles.js';

/** The levels of detail that an inputs file has, as those of lod-profiles.json. */
export function ownProfiles(profiles: NonNullable<InputsFile['profiles']>): Partial<Record<Lod, Partial<LodProfile>>> {
  const entries = LODS.flatMap((lod) => {
    const { deadline_seconds: deadlineSeconds, ...rest } = profiles[lod] ?? {};
    if (profiles[lod] === undefined) return [];
    return [[lod, deadlineSeconds === undefined ? rest : { ...rest, deadlineSeconds }] as const];
  });
  return Object.fromEntries(entries);
}
