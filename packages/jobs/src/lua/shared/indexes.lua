--[[
The lists of its key's jobs that a job stands in as long as its record lives.
]]
--- @include "shared/job"

local function each_index(act)
  local key, workflow, parent = unpack(redis.call('HMGET', record, 'key', 'workflow', 'parent'))
  if not key then return end
  act(jobs_of_key(key), id)
  act(jobs_by_workflow_key(key), workflow .. '|' .. id)
  if parent then act(children_of_key(key, cjson.decode(parent).id), id) end
end
