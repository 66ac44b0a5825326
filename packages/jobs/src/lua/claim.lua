--[[
A worker takes the job: the fence goes up by one. A job found claimed already was held by a worker that died, or that
lost its lock; one that is being canceled is handed out all the same, so that its prompt is stopped. A repeat with the
same token changes nothing. While its pool or the whole fleet is paused, a job that no ComfyUI may have stays where it
is, whoever asks. A job whose key has as many in workers' hands as it may is parked. One whose start deadline has
passed expires here if the sweep has not come to it yet.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives
  ARGV[4] worker
  ARGV[5] token of the work item's lock
  ARGV[6] deaths after which the job fails
  ARGV[7] the error to fail it with (JSON)

Output:
  {'ok', snapshot}, {'ended'}, {'halted'} or {'parked'}
]]
--- @include "shared/close"
--- @include "shared/snapshot"

local worker, token, most_deaths, too_many_deaths = ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]
local status = get('status')
if status == '' or is_terminal(status) then return {'ended'} end
if get('claimed_with') == token then return {'ok', snapshot()} end
if is_overdue() then
  close_job('expired')
  return {'ended'}
end
-- Operators have paused it. One that may be in a ComfyUI already, or that is to be stopped, is looked after all the
-- same.
if status ~= 'canceling' and get('prompt_id') == '' and (redis.call('HEXISTS', halts_key(), 'fleet') == 1
  or redis.call('HEXISTS', halts_key(), 'pool ' .. get('pool')) == 1) then
  return {'halted'}
end
-- Its key has as many jobs in workers' hands as it may: it waits until one of them ends. One that may be in a ComfyUI
-- already, or that is to be stopped, has its place.
local caller, most_taken = get('key'), tonumber(get('most_taken'))
if most_taken and status ~= 'canceling' and get('prompt_id') == ''
  and redis.call('SISMEMBER', taken_of_key(caller), id) == 0
  and redis.call('SCARD', taken_of_key(caller)) >= most_taken then
  redis.call('ZADD', parked_key(caller), get('rank'), id)
  leave_lane_parked()
  return {'parked'}
end
if redis.call('ZREM', parked_key(caller), id) == 1 then
  rejoin_lane(id, get('pool'), get('signature'), get('created_at'))
end
redis.call('HINCRBY', record, 'claim', 1)
-- A token begins with the name of its process: the same one is taking it again, so nobody died.
local function process_of(token) return string.match(token, '^(.*):[^:]*$') end
if get('phase') ~= 'waiting' and process_of(get('claimed_with')) ~= process_of(token) and redis.call('HINCRBY', record, 'deaths', 1) >= most_deaths
  and status ~= 'canceling' then
  set('error', too_many_deaths)
  abandon_submission()
  close_job('failed')
  return {'ended'}
end
if owner() == worker then
  redis.call('HDEL', record, 'orphaned_at', 'orphaned_ms')
elseif get('prompt_id') ~= '' then
  if get('orphaned_at') == '' then set('orphaned_at', now_ms()) end
  set('orphaned_ms', string.format('%d', now_ms() - get('orphaned_at')))
end
leave_hands()
redis.call('SADD', held_key(worker), id)
redis.call('SADD', taken_of_key(caller), id)
set('phase', 'claimed', 'worker', worker, 'claimed_with', token)
local pool, rank = get('pool'), tonumber(get('rank'))
if rank > tonumber(redis.call('HGET', ranks_key(pool), 'V') or 0) then
  redis.call('HSET', ranks_key(pool), 'V', rank)
end
return {'ok', snapshot()}
