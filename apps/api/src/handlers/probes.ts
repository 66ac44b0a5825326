import type { Probe } from '@comfy-fleet/contracts';
import type { Deps } from '../deps.js';
import type { Handler, Reply } from '../http/messages.js';
import { notReady } from '../not-ready.js';

const FINE: Probe = { status: 'ok', reasons: [] };

/** 200 as long as the process turns, whatever is wrong around it: a restart would mend none of that. */
export const livez: Handler = () => ({ status: 200, body: FINE });

/** 200 while this process can do its work. */
export function readyz({ ledger, stopping }: Deps): Handler {
  return async (): Promise<Reply> => {
    const reasons = await notReady(ledger, stopping);
    if (reasons.length === 0) return { status: 200, body: FINE };
    const body: Probe = { status: 'unavailable', reasons: [...reasons] };
    return { status: 503, headers: { 'Retry-After': '1' }, body };
  };
}
