--[[
For scripts about deliveries: how long a job lives that has ended.
]]
--- @include "shared/job"
--- @include "shared/companions"
--- @include "shared/version"
--- @include "constants"

-- The source of its workflow, by which it can be repeated.
local function outlive_source(ms)
  local version = get('version')
  if version ~= '' then outlive_version(version, ms + INDEX_EXTRA_MS) end
end
local function outlive_indexes(ms)
  each_index(function(index) outlive(index, ms) end)
  outlive(ended_of_key(get('key')), ms)
  outlive(job_bytes_key(get('key')), ms)
end
-- While its webhook is still to come: for so many ms from now at least.
local function outlive_delivery(ms)
  outlive(record, ms)
  outlive(attempts_key(id), ms)
  each_companion_on_record(function(key) outlive(key, ms) end)
  outlive_indexes(ms + INDEX_EXTRA_MS)
  outlive_source(ms)
end
-- Its delivery is over: from now on as long as one that ends now.
local function begin_lifetime()
  redis.call('PEXPIRE', record, ended_life)
  redis.call('PEXPIRE', attempts_key(id), ended_life)
  each_companion_on_record(function(key) redis.call('PEXPIRE', key, ended_life) end)
  outlive_indexes(ended_life + INDEX_EXTRA_MS)
  outlive_source(ended_life)
end
