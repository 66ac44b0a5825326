--[[
The record of a job, its fields and its claim. KEYS[1] is the record, `args.id` the job's id, and `args.ended_life` says how
many ms an ended record lives.
]]
--- @include "keys"
--- @include "states"
--- @include "shared/clock"

local id, ended_life, record = args.id, args.ended_life, KEYS[1]
local function get(field) return redis.call('HGET', record, field) or '' end
local function set(...) redis.call('HSET', record, ...) end
-- Enters a phase if the table in contracts allows it. A late report of an earlier phase changes nothing; phases are only
-- shown to operators.
local function enter(phase)
  if may(get('phase'), phase) then set('phase', phase) end
end
-- The id of the newest event of a job that has no stream: of its end, or of none.
local function event_id_without_stream()
  local finished_at = get('finished_at')
  return (finished_at == '' and '0' or finished_at) .. '-0'
end
-- A claim is named `<number> <token>`. The token is needed because after a failover that lost a claim, the next claim gets
-- the same number.
local function is_latest(claim)
  local number, token = string.match(claim, '^(%d+) ?(.*)$')
  local latest = redis.call('HMGET', record, 'claim', 'claimed_with')
  return latest[1] == number and (token == '' or latest[2] == token)
end
-- Whether the claim is the latest, has not given the job back, and the job has not ended.
local function held_by(claim)
  local phase = get('phase')
  return is_latest(claim) and phase ~= WAITING and phase ~= ENDED
end
-- The reply to the holder of a claim after a transition.
local function verdict() return get('status') == CANCELING and CANCELING or 'ok' end
-- How many executions may have failed through the job's own fault.
local function own_attempts() return (tonumber(get('attempts')) or 0) - (tonumber(get('faulty_attempts')) or 0) end
-- Whether the start deadline has passed, no worker has the job, no submission of it may still exist, and it never began
-- executing, except where the instance was at fault.
local function is_overdue()
  local status, phase, prompt, deadline =
    unpack(redis.call('HMGET', record, 'status', 'phase', 'prompt_id', 'start_deadline'))
  return status == QUEUED and phase == WAITING and (prompt or '') == ''
    and tonumber(deadline) <= tonumber(now_ms()) and own_attempts() <= 0
end
-- Makes a key live for at least `ms` from now.
local function outlive(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, ms) end
end
-- Whether the webhook wants to be notified of this status.
local function is_wanted(callback, status)
  local events = cjson.decode(callback).events
  return not events or string.find(table.concat(events, ' '), 'job.' .. status, 1, true)
end
-- A signature is described in record/request-keys.ts.
local function lod_of(signature) return string.match(signature, '^[^|]+') end
-- The field that stands for all sizes of one version of a workflow in learned durations.
local function version_of(signature) return '=' .. string.match(signature, '[^|]*$') end
