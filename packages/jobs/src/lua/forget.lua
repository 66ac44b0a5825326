--[[
Deletes an ended job and everything stored about it.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long an ended record lives, in ms; `webhook`: the id of its item in the delivery queue;
  `spare`: jobs with an undelivered webhook must be kept

Output:
  'open', and nothing changes, if the job has not ended or is kept for its webhook; 'absent' if there was no such job; else
  'forgotten'
]]
--- @include "shared/life"
--- @include "shared/job-bytes"
--- @include "shared/job-index"
--- @include "shared/storage"
--- @include "queue/deliveries"

-- How far Redis' clock may have been set back between the end of a job and the oldest entry of the outbox.
local CLOCK_SLACK_MS = 60000

local status = get('status')
if status == '' then return 'absent' end
if not is_terminal(status) then return 'open' end
-- The id of an entry begins with its time in ms. The entry is deleted after its delivery is queued.
local function may_be_in_outbox()
  local oldest = redis.call('XRANGE', outbox_key(), '-', '+', 'COUNT', 1)[1]
  return oldest and string.match(oldest[1], '^%d+') - get('finished_at') <= CLOCK_SLACK_MS
end
local function is_to_be_notified()
  if is_delivery_queued(args.webhook) then return true end
  local callback = get('callback')
  return callback ~= '' and redis.call('HEXISTS', texts_key(id), 'attempts') == 0 and may_be_in_outbox()
    and is_wanted(callback, status)
end
if args.spare and is_to_be_notified() then return 'open' end
local key, workflow, parent = unpack(redis.call('HMGET', record, 'key', 'workflow', 'parent'))
redis.call('ZREM', jobs_of_key(key), unpack(index_members(id, parent and cjson.decode(parent).id, workflow)))
redis.call('ZREM', listed_of_key(key), id)
release_bytes(key, id)
each_companion(function(companion) redis.call('DEL', companion) end)
add_stored(key, -bytes_in(get('outputs')) - (tonumber(get('derived_bytes')) or 0))
local reuse = get('reuse')
if reuse ~= '' and redis.call('GET', reuse_key(key, reuse)) == id then redis.call('DEL', reuse_key(key, reuse)) end
drop_later_delivery(args.webhook) -- a receiver may have postponed it for a day
redis.call('DEL', record, events_key(id), preview_key(id))
return 'forgotten'
