--[[
What every script of one job begins with: the record, its id and its fields. KEYS[1] is the record, `args.id` the job's id,
`args.ended_life` the ms that an ended record lives.
]]
--- @include "keys"
--- @include "states"
--- @include "shared/clock"

local id, ended_life, record = args.id, args.ended_life, KEYS[1]
local function get(field) return redis.call('HGET', record, field) or '' end
local function set(...) redis.call('HSET', record, ...) end
-- Enters a phase of the table. Late word of an earlier one changes nothing: phases are only shown to operators.
local function enter(phase)
  if may(get('phase'), phase) then set('phase', phase) end
end
-- A claim is named by its number and, after a space, by its token: when a claim was lost with the primary that it was
-- made at, the next one has the same number.
local function is_latest(claim)
  local number, token = string.match(claim, '^(%d+) ?(.*)$')
  local latest = redis.call('HMGET', record, 'claim', 'claimed_with')
  return latest[1] == number and (token == '' or latest[2] == token)
end
-- A claim holds the job while it is the latest, has not given the job back, and the job has not ended.
local function held_by(claim)
  local phase = get('phase')
  return is_latest(claim) and phase ~= WAITING and phase ~= ENDED
end
-- What the holder of a claim is told after a transition.
local function verdict() return get('status') == CANCELING and CANCELING or 'ok' end
-- Executions that may have been the job's own fault.
local function own_attempts() return (tonumber(get('attempts')) or 0) - (tonumber(get('faulty_attempts')) or 0) end
-- Nobody has the job, it never began but for faults of instances, it has no submission that may still be found, and its start deadline has passed.
local function is_overdue()
  local status, phase, prompt, deadline =
    unpack(redis.call('HMGET', record, 'status', 'phase', 'prompt_id', 'start_deadline'))
  return status == QUEUED and phase == WAITING and (prompt or '') == ''
    and tonumber(deadline) <= tonumber(now_ms()) and own_attempts() <= 0
end
-- It lives for so many ms from now, or longer if it would have anyway.
local function outlive(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, ms) end
end
-- Whether the callback is to be notified of such an end. One that Lua cannot read (a lone surrogate in its URL) is read
-- by whoever delivers it.
local function is_wanted(callback, status)
  local readable, webhook = pcall(cjson.decode, callback)
  if not readable or type(webhook.events) ~= 'table' then return true end
  for _, event in ipairs(webhook.events) do
    if event == 'job.' .. status then return true end
  end
  return false
end
local function lod_of(signature) return string.match(signature, '^[^|]+') end
-- Under which what is learned of a workflow's version is kept, in whatever size it runs.
local function version_of(signature) return '=' .. string.match(signature, '[^|]*$') end
