import { ANONYMOUS, type Me } from '@comfy-fleet/contracts';
import { knownCaller } from '../../server/caller.js';
import type { Handler } from '../../server/messages.js';
import { presentKey } from './present-key.js';

/** What the caller may do. */
export const me: Handler = (request) => {
  const caller = knownCaller(request.caller);
  const body: Me = { key: caller.id === ANONYMOUS ? null : caller.id, ...presentKey(caller) };
  return { status: 200, body };
};
