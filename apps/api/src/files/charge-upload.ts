import { FleetError } from '@comfy-fleet/contracts';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/caller.js';
import { secondsToMidnight } from '../server/day.js';

/** Books bytes that the caller sent on its day. Throws upload_limit_reached. */
export async function chargeUpload(
  { ledger: { accounts } }: Pick<Deps, 'ledger'>,
  caller: Caller,
  bytes: number,
): Promise<void> {
  const most = caller.limits?.uploadBytesPerDay;
  if (bytes === 0 || most === undefined || (await accounts.charge(caller.id, bytes, most))) return;
  const detail = `This API key may send ${most} bytes a day (UTC), and these would be too many.`;
  throw new FleetError('upload_limit_reached', detail, { retryAfterSeconds: secondsToMidnight() });
}
