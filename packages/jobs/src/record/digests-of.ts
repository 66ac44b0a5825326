import { filesOf, type ResolvedRequest } from '@comfy-fleet/contracts';

/** The digests of the files that a job starts from, each once: what their names begin with. */
export function digestsOf(request: ResolvedRequest): readonly string[] {
  return [...new Set(filesOf(request).map(([, { name }]) => name.slice(0, name.indexOf('.'))))];
}
