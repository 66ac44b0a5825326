import { type Usage, usageQuerySchema } from '@comfy-fleet/contracts';
import { knownCaller } from '../access/caller.js';
import type { Deps } from '../deps.js';
import type { Handler } from '../http/messages.js';
import { createQueryReader } from '../requests/query-reader.js';

const DEFAULT_DAYS = 30;

/** What the caller used, day by day (UTC), today first. */
export function getUsage({ ledger: { accounts } }: Deps): Handler {
  const read = createQueryReader(usageQuerySchema);
  return async ({ query, caller }) => {
    const { days = DEFAULT_DAYS } = read(query);
    const used = await accounts.usage(knownCaller(caller).id, days);
    const body: Usage = { data: used.map(({ gpuMs, ...day }) => ({ ...day, gpu_seconds: gpuMs / 1000 })) };
    return { status: 200, body };
  };
}
