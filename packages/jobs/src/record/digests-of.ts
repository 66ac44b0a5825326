import type { ResolvedRequest } from '@comfy-fleet/contracts';

/** The digests of the files that a job starts from: what their names begin with. */
export function digestsOf({ input }: ResolvedRequest): readonly string[] {
  return input === undefined ? [] : [input.sha256];
}
