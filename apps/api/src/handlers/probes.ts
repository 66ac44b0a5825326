import type { Probe } from '@comfy-fleet/contracts';
import type { Deps } from '../deps.js';
import type { Handler, Reply } from '../http/messages.js';

const FINE: Probe = { status: 'ok', reasons: [] };

/** 200 as long as the process turns, whatever is wrong around it: a restart would mend none of that. */
export const livez: Handler = () => ({ status: 200, body: FINE });

/** 200 while this process can do its work, which is as long as Redis answers it. */
export function readyz({ ledger, stopping, log }: Deps): Handler {
  return async (): Promise<Reply> => {
    if (stopping.aborted) return unready('this process is stopping');
    try {
      await ledger.ping();
      return { status: 200, body: FINE };
    } catch (error) {
      log.debug('not ready', { error });
      return unready('Redis does not answer');
    }
  };
}

function unready(reason: string): Reply {
  const body: Probe = { status: 'unavailable', reasons: [reason] };
  return { status: 503, headers: { 'Retry-After': '1' }, body };
}
