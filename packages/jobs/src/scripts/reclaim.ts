import { LUA_KEYS } from '../keys.js';

/**
 * A worker takes over BullMQ's lock of a work item that a process of its own name had. KEYS[1] is the lock; ARGV: prefix, pool, id of the job, the
 * new token, ms that the lock lasts. Answers 0 when nobody has the item.
 */
export const reclaimScript = `
local P, pool, id, token, lock_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
${LUA_KEYS}
if not redis.call('LPOS', active_key(pool), id) then return 0 end
redis.call('SET', KEYS[1], token, 'PX', lock_ms)
redis.call('SREM', stalled_key(pool), id)
return 1
`;
