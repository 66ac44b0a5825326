--[[
How long an ended job lives, with everything stored beside its record: its alias, its texts, its entries in lists of its
key, and the source of its workflow.
]]
--- @include "shared/job"
--- @include "constants"

-- Makes the source of a version live for at least `ms` from now. Published sources have no expiry.
local function outlive_version(version, ms)
  local left = redis.call('PTTL', version_key(version))
  if left >= 0 and left < ms then redis.call('PEXPIRE', version_key(version), ms) end
end
-- The version of the workflow that a request names. Lua cannot parse every request, such as one with half of a surrogate pair.
local function version_in(request) return string.match(request, '^{"workflow":"[^"]*","version":"([^"]*)"') or '' end
-- Calls `act` with the keys of the job's alias and texts. The alias may belong to another job by now, see create.lua.
local function each_companion(act)
  local key, alias = unpack(redis.call('HMGET', record, 'key', 'alias'))
  if alias and redis.call('GET', alias_key(key, alias)) == id then act(alias_key(key, alias)) end
  act(texts_key(id))
end
-- Sets the lifetime of the job to `ms` from now; with `at_least`, never shortens it. The lists of its key live longer.
local function live(ms, at_least)
  local function keep(key) if at_least then outlive(key, ms) else redis.call('PEXPIRE', key, ms) end end
  keep(record)
  each_companion(keep)
  local key = get('key')
  for _, index in ipairs({jobs_of_key(key), listed_of_key(key), job_bytes_key(key)}) do outlive(index, ms + INDEX_EXTRA_MS) end
  outlive_version(version_in(get('request')), ms + INDEX_EXTRA_MS)
end
