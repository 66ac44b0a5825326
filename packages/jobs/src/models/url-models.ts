import { MODEL_URL_FOLDER, type ModelKind } from '@comfy-fleet/contracts';
import { type ModelRegistry, newModel } from './registry.js';

export interface ModelUrl {
  /** Without the hash. */
  readonly source: string;
  readonly sha256: string | null;
  /** The extension of the file. */
  readonly extension: string;
}

/** How many models a key may have. */
export const MOST_URL_MODELS = 100;
/** How long a model stays registered that no request names and no job uses. */
const UNUSED_MS = 7 * 86_400_000;
/** A model that is named again is only recorded again after this time. */
const RENEW_MS = 3_600_000;

/**
 * Models that API keys name by a URL. Each belongs to one key; nothing is shared, since that could be noticed.
 * `digest`: equal for equal parts; nobody can guess it.
 */
export function createUrlModels(
  { list, change }: Pick<ModelRegistry, 'list' | 'change'>,
  digest: (...parts: string[]) => Promise<string>,
) {
  return {
    /**
     * Registers the model, or renews it, and returns its name. Returns undefined if the key has as many other models as
     * it may have.
     */
    named: async (key: string, kind: ModelKind, { source, sha256, extension }: ModelUrl) => {
      const name = `${MODEL_URL_FOLDER}${await digest(key, source, sha256 ?? '')}${extension}`;
      const known = (await list()).get(`${kind}/${name}`);
      const now = Date.now();
      if (now - (known?.named_at ?? 0) < RENEW_MS) return name;
      const fields = { sources: [source], sha256, keys: [key], by_url: true };
      const record = await change({ kind, name }, (before, all) => {
        const own = [...all.values()].filter(({ by_url, keys }) => by_url && keys?.includes(key));
        if (before === undefined && own.length >= MOST_URL_MODELS) return undefined;
        return { ...(before ?? newModel(kind, name, fields)), named_at: now };
      });
      return record && name;
    },
  };
}

/**
 * Deletes such models that were not used for long, and removes the remains of models that were deleted long ago.
 * Returns how many were deleted now.
 */
export async function forgetUnused(
  { listWithDeleted, change }: Pick<ModelRegistry, 'listWithDeleted' | 'change'>,
  lastUse: (id: string) => number,
): Promise<number> {
  const before = Date.now() - UNUSED_MS;
  let deleted = 0;
  for (const [id, record] of await listWithDeleted()) {
    const isLive = record.deleted_at === undefined;
    if (isLive && (!record.by_url || lastUse(id) > before)) continue;
    const kept = await change(record, (now) => ((now?.named_at ?? 0) > before ? now : undefined));
    if (isLive && kept === undefined) deleted += 1;
  }
  return deleted;
}
