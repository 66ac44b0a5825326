import { FleetError, type Usage, usageQuerySchema } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { knownCaller } from '../../server/caller.js';
import { secondsToMidnight } from '../../server/key-limits.js';
import type { ApiRequest, Handler } from '../../server/messages.js';
import { createQueryReader } from '../../server/validator.js';

const DEFAULT_DAYS = 30;

/** What the caller used, day by day (UTC), today first. */
export function getUsage(deps: Deps): Handler {
  return usageOf(deps, async ({ caller }) => knownCaller(caller).id);
}

/** What any key used, also one that was revoked. Throws key_not_found. */
export function getKeyUsage(deps: Deps): Handler {
  const { keys, ledger } = deps;
  return usageOf(deps, async ({ params: { key = '' } }) => {
    if (keys?.byId(key) !== undefined || (await ledger.accounts.isKnown(key))) return key;
    throw new FleetError('key_not_found', 'There is no API key with this id, nor was there one that made a job.');
  });
}

function usageOf({ ledger: { accounts, storage } }: Deps, keyOf: (request: ApiRequest) => Promise<string>): Handler {
  const read = createQueryReader(usageQuerySchema);
  return async (request) => {
    const { days = DEFAULT_DAYS } = read(request.query);
    const key = await keyOf(request);
    const [used, now, stored] = await Promise.all([
      accounts.usage(key, days),
      accounts.standing(key),
      storage.use(key),
    ]);
    const body: Usage = {
      data: used.map(({ gpuMs, ...day }) => ({ ...day, gpu_seconds: gpuMs / 1000 })),
      now: {
        gpu_seconds: now.gpu.spentMs / 1000,
        gpu_seconds_expected: now.gpu.expectedMs / 1000,
        upload_bytes: now.uploadBytes,
        storage_bytes: stored.bytes,
        storage_share_bytes: stored.shareBytes,
        jobs_waiting: now.jobsWaiting,
        jobs_running: now.jobsRunning,
        resets_in_seconds: secondsToMidnight(),
      },
    };
    return { status: 200, body };
  };
}
