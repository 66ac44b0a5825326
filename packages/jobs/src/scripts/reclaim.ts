import { LUA_KEYS } from '../keys.js';

/**
 * A worker takes a work item that is its own to look after, wherever it is: from the queue, or from a process that died
 * or only passes it on; the ledger's fence decides between the two. KEYS[1] is the lock; ARGV: prefix, pool, id of the
 * job, worker, the new token, ms that the lock lasts. Answers 0 when there is no such item.
 */
export const reclaimScript = `
local P, pool, id, worker, token, lock_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
${LUA_KEYS}
if redis.call('SISMEMBER', held_key(worker), id) == 0 then return 0 end
if not redis.call('LPOS', active_key(pool), id) then
  local found = redis.call('ZREM', delayed_key(pool), id) + redis.call('ZREM', prioritized_key(pool), id)
    + redis.call('LREM', wait_key(pool), 0, id)
  if found == 0 then return 0 end
  redis.call('LPUSH', active_key(pool), id)
end
local time = redis.call('TIME')
redis.call('HSET', work_item_key(pool, id), 'processedOn', string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000)))
redis.call('SET', KEYS[1], token, 'PX', lock_ms)
redis.call('SREM', stalled_key(pool), id)
return 1
`;
