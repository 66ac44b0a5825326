--[[
Events: each change of a job is added to its stream and published.
]]
--- @include "shared/job"

-- A listener that falls further behind reads the record again.
local EVENTS_KEPT = 100
local EVENTS_LIFE_RUNNING_MS = 86400000
local EVENTS_LIFE_ENDED_MS = 600000

local function emit(event, life)
  local event_id = redis.call('XADD', events_key(id), 'MAXLEN', '~', EVENTS_KEPT, '*', 'event', event)
  redis.call('PEXPIRE', events_key(id), life)
  redis.call('PUBLISH', job_channel(id), event_id .. ' ' .. event)
end
-- Publishes a status to those who follow all jobs of the key: the job's id, its status and the client.
local function publish_status(status, key, client)
  redis.call('PUBLISH', key_channel(key), id .. ' ' .. status .. ' ' .. (client or ''))
end
-- The end of a job that never left `queued` is only published: a stream takes 4.8 KB from its first entry.
local function emit_status(status)
  local event = '{"type":"status","status":"' .. status .. '"}'
  if not is_terminal(status) then emit(event, EVENTS_LIFE_RUNNING_MS)
  elseif redis.call('EXISTS', events_key(id)) == 1 then emit(event, EVENTS_LIFE_ENDED_MS)
  else redis.call('PUBLISH', job_channel(id), event_id_without_stream() .. ' ' .. event) end
  publish_status(status, unpack(redis.call('HMGET', record, 'key', 'client')))
end
-- Makes a transition, if the table in contracts allows it, and emits its event.
local function become(status)
  local before = get('status')
  if not may(before, status) then error('a job cannot go from ' .. before .. ' to ' .. status) end
  set('status', status)
  emit_status(status)
end
