--[[
A worker takes a work item that is its own to look after, wherever it is: from the queue, or from a process that died
or only passes it on; the ledger's fence decides between the two.

Input:
  KEYS[1] the lock
  `pool`; `id` of the job; `worker`; `token`, the new one; `lock_ms`: how long the lock lasts

Output:
  1, or 0 when there is no such item, or this very process is just being told that it has it
]]
--- @include "queue/take"

local pool, id, token = args.pool, args.id, args.token
if redis.call('SISMEMBER', held_key(args.worker), id) == 0 then return 0 end
local claimed_with = redis.call('HGET', job_key(id), 'claimed_with') or ''
if process_of(claimed_with) == process_of(token) and redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
if not redis.call('LPOS', active_key(pool), id) then
  local found = redis.call('ZREM', delayed_key(pool), id) + redis.call('ZREM', prioritized_key(pool), id)
    + redis.call('LREM', wait_list_key(pool), 0, id)
  if found == 0 then return 0 end
  redis.call('LPUSH', active_key(pool), id)
end
lock_work_item(pool, id, token, args.lock_ms)
return 1
