--[[
A waiting job that has no turn gets one, and comes among those that wait: one that a version before this one made, or
whose work item was added again.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives
  ARGV[4] the level of its turn, for one that has none
  ARGV[5] its need, for one that has none

Output:
  1 when it got a turn or came among those that wait, else 0
]]
--- @include "shared/backlog"
--- @include "queue/put"

local pool, key = get('pool'), get('key')
if get('phase') ~= 'waiting' or get('status') ~= 'queued' or get('prompt_id') ~= '' then return 0 end
local has_turn = get('turn') ~= ''
if not has_turn then
  set('turn', new_turn(pool, key, tonumber(ARGV[4])))
  local signature = get('signature')
  if redis.call('ZREM', former_parked_lane_key(pool, lod_of(signature)), id) == 1 then
    join_lane(id, pool, signature, get('created_at'))
  end
  redis.call('DEL', former_ranks_key(pool), former_parked_key(key))
end
if get('need') == '' then
  set('need', ARGV[5])
  -- It waits already, but in no line.
  if redis.call('ZSCORE', waiting_of_key(pool, key), id) then
    join_line(id, pool, key, get('turn'), ARGV[5])
    wake_worker(pool)
    return 1
  end
end
-- One that rests comes when it has rested.
if not is_in_queue(pool, id) or redis.call('ZSCORE', waiting_of_key(pool, key), id) then return has_turn and 0 or 1 end
rejoin(id, pool, key, get('turn'), get('signature'), get('need'))
wake_worker(pool)
return 1
