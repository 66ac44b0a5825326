--[[
What is recorded of an execution: the GPU time of its key, how long such jobs take, and the timeline of its instance.
]]
--- @include "shared/job"
--- @include "constants"

-- Who pays for GPU time.
local function owner_of_job() return {pool = get('pool'), key = get('key'), weight = get('weight')} end
-- Records the GPU time of the job's last execution, by minutes: operators see the shares of keys from it. Time more than an
-- hour ago is not needed any more.
local function record_gpu_time(ms, owner)
  local now = tonumber(now_ms())
  local till = math.min(now, (tonumber(get('started_at')) or now) + ms)
  local from = math.max(till - ms, now - HOUR_MS)
  while from < till do
    local minute = math.floor(from / 60000)
    local ends, times = math.min(till, (minute + 1) * 60000), gpu_time_key(string.format('%d', minute))
    redis.call('HINCRBY', times, owner.pool .. ' ' .. owner.key, string.format('%d', ends - from))
    redis.call('HSET', times, ' ' .. owner.key, owner.weight ~= '' and owner.weight or 1)
    redis.call('PEXPIRE', times, GPU_TIME_LIFE_MS)
    from = ends
  end
end
-- Counts GPU time of a key, for today and by minutes.
local function use_gpu(ms, owner)
  local usage = usage_key(owner.key, today())
  redis.call('HINCRBY', usage, 'gpu_ms', string.format('%d', ms))
  redis.call('PEXPIRE', usage, USAGE_LIFE_MS)
  record_gpu_time(ms, owner)
end
-- Weight of the newest execution in the moving average: about ten executions replace what was learned before.
local NEWEST = 0.3
local MOST_FIELDS = 1000
local LIFE_MS = 30 * 86400000

local function learn_as(kind, ms, share)
  local key = durations_key(get('pool'))
  local known = tonumber(redis.call('HGET', key, kind) or '')
  if not known and redis.call('HLEN', key) >= MOST_FIELDS then
    local other = redis.call('HRANDFIELD', key)
    if not string.find(other, '^key ') then redis.call('HDEL', key, other) end
  end
  redis.call('HSET', key, kind, string.format('%d', known and known + (share or NEWEST) * (ms - known) or ms))
  redis.call('PEXPIRE', key, LIFE_MS)
end
-- Learns how long such jobs take: by signature, by version of the workflow and by level of detail. The averages move because
-- drivers, models and cards change. If there are too many fields, a random one is forgotten.
local function learn(ms)
  local signature = get('signature')
  learn_as(signature, ms)
  local version = version_of(signature)
  if version ~= '=' then learn_as(version, ms) end
  learn_as(lod_of(signature), ms)
end
-- Learns how long jobs of the key take, by which its jobs in work count. Short ones count for less, so that a key cannot hide
-- long ones among them.
local function learn_of_key(ms)
  local kind, counted = 'key ' .. get('key'), math.min(ms, MOST_IN_WORK_MS)
  local known = tonumber(redis.call('HGET', durations_key(get('pool')), kind) or nil)
  learn_as(kind, counted, known and NEWEST * math.min(1, counted / known))
end
-- Adds a line about the job to the timeline of an instance, see history/timeline.ts.
local function add_to_timeline(instance, outcome, from, till, loading_ms)
  local key, signature, workflow = unpack(redis.call('HMGET', record, 'key', 'signature', 'workflow'))
  if not signature then return end
  local line = string.format('%d %d %d %s %s %s %s %s', from, till, loading_ms or 0, outcome, lod_of(signature), key, id,
    workflow)
  local timeline = timeline_key(instance)
  redis.call('LPUSH', timeline, line)
  redis.call('LTRIM', timeline, 0, TIMELINE_ENTRIES - 1)
  redis.call('PEXPIRE', timeline, HOUR_MS)
end
-- Adds the job's last execution, which took `ms`, or until now.
local function record_execution(outcome, ms, loading_ms)
  local instance, started_at = unpack(redis.call('HMGET', record, 'instance', 'started_at'))
  if not instance or not started_at then return end
  local now = tonumber(now_ms())
  local till = ms and math.min(now, started_at + ms) or now
  add_to_timeline(instance, outcome, till - (ms or now - started_at), till, loading_ms)
end
