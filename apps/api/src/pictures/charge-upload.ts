import { FleetError } from '@comfy-fleet/contracts';
import type { Caller } from '../access/caller.js';
import type { Deps } from '../deps.js';

const SECONDS_OF_DAY = 86_400;

/** Books the bytes of a picture on the caller's day. Throws upload_limit_reached. */
export async function chargeUpload({ ledger: { accounts } }: Deps, caller: Caller, bytes: number): Promise<void> {
  const most = caller.limits?.uploadBytesPerDay;
  if (most === undefined || (await accounts.charge(caller.id, bytes, most))) return;
  const untilTomorrow = SECONDS_OF_DAY - (Math.floor(Date.now() / 1000) % SECONDS_OF_DAY);
  const detail = `This API key may send ${most} bytes of pictures a day (UTC), and this one would be too many.`;
  throw new FleetError('upload_limit_reached', detail, { retryAfterSeconds: untilTomorrow });
}
