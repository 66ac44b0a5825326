--[[
What stands beside the record of a job and lives as long: its alias and its origin.
]]
--- @include "shared/job"

-- Its alias may be that of another job by now, see create.
local function each_companion(act, key, alias, origin)
  if alias and redis.call('GET', alias_key(key, alias)) == id then act(alias_key(key, alias)) end
  if origin then act(origin_key(id)) end
end
local function each_companion_on_record(act)
  each_companion(act, unpack(redis.call('HMGET', record, 'key', 'alias', 'origin')))
end
