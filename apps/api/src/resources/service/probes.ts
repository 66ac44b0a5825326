import type { Probe } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import type { Handler, Reply } from '../../server/messages.js';
import { notReady } from './not-ready.js';

const FINE: Probe = { status: 'ok', reasons: [] };
const WITHOUT_PICTURES: Probe = {
  status: 'ok',
  reasons: ['Pictures cannot be stored or read at the moment; GET /health says why'],
};

/** 200 as long as the process turns, whatever is wrong around it: a restart would fix none of that. */
export const livez: Handler = () => ({ status: 200, body: FINE });

/** 200 while this process can do its work, which it can without pictures, but says so. */
export function readyz(deps: Deps): Handler {
  const { storage, stopping } = deps;
  return async (): Promise<Reply> => {
    const reasons = await notReady(deps, stopping);
    if (reasons.length === 0) return { status: 200, body: storage.known() === undefined ? FINE : WITHOUT_PICTURES };
    const body: Probe = { status: 'unavailable', reasons: [...reasons] };
    return { status: 503, headers: { 'Retry-After': '1' }, body };
  };
}
