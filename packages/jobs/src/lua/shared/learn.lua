--[[
Learns how long the executions of jobs like this one take, and for the first of a kind those of its workflow in whatever
size, and those of its lod. A moving
average, since drivers, models and cards change. When there are too many kinds a random one is forgotten. The same for
each instance, to compare it with its peers.
]]
--- @include "shared/job"
--- @include "shared/signature"

-- Weight of the newest execution in the learned duration: some ten of them outweigh what was before.
local NEWEST = 0.3
local MOST_FIELDS = 1000
local LIFE_MS = 30 * 86400000
local PACE_LIFE_MS = 86400000

local function learn_as(kind, ms)
  local key = durations_key(get('pool'))
  local known = tonumber(redis.call('HGET', key, kind) or '')
  if not known and redis.call('HLEN', key) >= MOST_FIELDS then
    redis.call('HDEL', key, redis.call('HRANDFIELD', key))
  end
  redis.call('HSET', key, kind, string.format('%d', known and known + NEWEST * (ms - known) or ms))
  redis.call('PEXPIRE', key, LIFE_MS)
end
local function learn_pace(signature, ms)
  local key, field = paces_key(get('pool')), get('instance') .. '|' .. signature
  local known, count = string.match(redis.call('HGET', key, field) or '', '^(%d+) (%d+)')
  if not known and redis.call('HLEN', key) >= MOST_FIELDS then
    redis.call('HDEL', key, redis.call('HRANDFIELD', key))
  end
  local average = known and known + NEWEST * (ms - known) or ms
  redis.call('HSET', key, field, string.format('%d %d %s', average, (count or 0) + 1, now_ms()))
  redis.call('PEXPIRE', key, PACE_LIFE_MS)
end
local function learn(ms)
  local signature = get('signature')
  learn_pace(signature, ms)
  learn_as(signature, ms)
  local version = version_of(signature)
  if version ~= '=' then learn_as(version, ms) end
  learn_as(lod_of(signature), ms)
end
