--[[
What stands beside the record of a job and lives as long: its alias, its origin, and its places in lists of its key.
]]
--- @include "shared/job"

-- Its alias may be that of another job by now, see create.
local function each_companion(act)
  local key, alias, origin = unpack(redis.call('HMGET', record, 'key', 'alias', 'origin'))
  if alias and redis.call('GET', alias_key(key, alias)) == id then act(alias_key(key, alias)) end
  if origin then act(origin_key(id)) end
end
-- The lists of its key's jobs that it stands in as long as its record lives.
local function each_index(act)
  local key, workflow, parent = unpack(redis.call('HMGET', record, 'key', 'workflow', 'parent'))
  if not key then return end
  act(jobs_of_key(key), id)
  act(jobs_by_workflow_key(key), workflow .. '|' .. id)
  if parent then act(children_of_key(key, cjson.decode(parent).id), id) end
end
