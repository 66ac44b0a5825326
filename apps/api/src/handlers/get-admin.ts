import { adminStatus } from '../admin/admin-status.js';
import type { Deps } from '../deps.js';
import type { Handler } from '../http/messages.js';

/** What operators have halted, since when, and by which key. */
export function getAdmin({ ledger: { fleet } }: Deps): Handler {
  return async () => ({ status: 200, body: adminStatus(await fleet.overview()) });
}
