--[[
Deletes an ended job and everything stored about it.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long an ended record lives, in ms; `delivery`: the key of the job's item
  in the delivery queue, if jobs with an undelivered webhook must be kept

Output:
  'open', and nothing changes, if the job has not ended or is kept for its webhook; 'absent' if there was no such job; else
  'forgotten'
]]
--- @include "shared/life"
--- @include "shared/job-bytes"
--- @include "shared/storage"

-- How far Redis' clock may have been set back between the end of a job and the oldest entry of the outbox.
local CLOCK_SLACK_MS = 60000

local status = get('status')
if status ~= '' and not is_terminal(status) then return 'open' end
-- The id of an entry begins with its time in ms. The entry is deleted after its delivery is queued.
local function may_be_in_outbox()
  local oldest = redis.call('XRANGE', outbox_key(), '-', '+', 'COUNT', 1)[1]
  return oldest and string.match(oldest[1], '^%d+') - get('finished_at') <= CLOCK_SLACK_MS
end
local function is_to_be_notified()
  if redis.call('EXISTS', args.delivery) == 1 then return true end
  local callback = get('callback')
  return callback ~= '' and redis.call('HEXISTS', texts_key(id), 'attempts') == 0 and may_be_in_outbox()
    and is_wanted(callback, status)
end
if status ~= '' and args.delivery and is_to_be_notified() then return 'open' end
each_index(function(index, member) redis.call('ZREM', index, member) end)
redis.call('ZREM', listed_of_key(get('key')), id)
release_bytes(get('key'), id)
each_companion(function(key) redis.call('DEL', key) end)
add_stored(get('key'), -bytes_in(get('outputs')))
local found = redis.call('DEL', record)
redis.call('DEL', events_key(id), preview_key(id))
return found == 1 and 'forgotten' or 'absent'
