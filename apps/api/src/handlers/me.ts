import { ANONYMOUS, type Me } from '@comfy-fleet/contracts';
import { knownCaller } from '../access/caller.js';
import { presentKey } from '../access/present-key.js';
import type { Handler } from '../http/messages.js';

/** What the caller may do. */
export const me: Handler = (request) => {
  const caller = knownCaller(request.caller);
  const body: Me = { key: caller.id === ANONYMOUS ? null : caller.id, ...presentKey(caller) };
  return { status: 200, body };
};
