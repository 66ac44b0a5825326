import { type KeyList, keyListQuerySchema } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { callerOf } from '../../server/caller.js';
import type { Handler } from '../../server/messages.js';
import { pageOf } from '../../server/page-of.js';
import { createQueryReader } from '../../server/query-reader.js';
import { presentKey } from './present-key.js';

const DEFAULT_LIMIT = 100;

/** The keys as the file has them now. */
export function listKeys({ keys, config }: Deps): Handler {
  const read = createQueryReader(keyListQuerySchema);
  return ({ query }) => {
    const { limit = DEFAULT_LIMIT, cursor } = read(query);
    const { page, ...more } = pageOf(keys?.all() ?? [], ({ id }) => id, { limit, cursor });
    const data = page.map((key) => ({
      key: key.id,
      created_at: key.created_at ?? null,
      ...presentKey(callerOf(key, config.access.keyLimits)),
    }));
    const body: KeyList = { data, ...more };
    return { status: 200, body };
  };
}
