--[[
An idle instance asks for a job whose prompt waits behind another one in some ComfyUI: of those that would start last the
first that starts later there than it would be loaded here, or that is so late that it may start whenever. Its holder is
notified to look at it. A job that failed on the instance would not be started there, and one that was asked for lately
would only go from queue to queue.

Input:
  KEYS[1] the pool's `ahead`
  `instance`; `now`, ms since 1970; `pool`; `refusals` of the instance (JSON), or empty; `patience`: ms for which a
  job that was asked for stays where it came to

Output:
  {'recalled'}; {'none'}; {'unknown', need, request (JSON)}: it is not known what such a job would be loaded for there
]]
--- @include "shared/call-back"
--- @include "scheduling/refused"

local instance, now, pool, patience = args.instance, args.now, args.pool, args.patience

local function has_failed_here(faults)
  for _, fault in ipairs(cjson.decode(faults or '[]')) do
    if fault.instance == instance then return true end
  end
  return false
end

read_refusals(args.refusals)
local last = redis.call('ZREVRANGE', KEYS[1], 0, MOST_AHEAD - 1, 'WITHSCORES')
for n = 1, #last, 2 do
  local id, starts = last[n], tonumber(last[n + 1])
  local worker, need, key, faults, moved_at =
    unpack(redis.call('HMGET', job_key(id), 'worker', 'need', 'key', 'faults', 'moved_at'))
  local load = worker and tonumber(redis.call('HGET', fits_key(instance), need) or nil)
  if not worker then
    redis.call('ZREM', KEYS[1], id)
  elseif is_refused(key or '', need) or has_failed_here(faults) then
    -- It would only go back.
  elseif moved_at and math.abs(now - moved_at) < patience then
    -- It stays.
  elseif not load then
    return {'unknown', need, redis.call('HGET', job_key(id), 'request') or ''}
  elseif load == 0 or load > 0 and math.abs(starts - now) > load then
    redis.call('HSET', job_key(id), 'wanted_by', instance, 'moved_at', string.format('%d', now))
    call_back(pool, id, worker)
    return {'recalled'}
  end
end
return {'none'}
