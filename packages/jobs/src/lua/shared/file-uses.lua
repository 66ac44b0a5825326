--[[
Which jobs start from a file.
]]
--- @include "shared/job"

-- Whether an open job does; those that have ended are forgotten.
local function is_used(uses)
  local used = false
  for _, user in ipairs(redis.call('SMEMBERS', uses)) do
    local status = redis.call('HGET', job_key(user), 'status')
    if not status or is_terminal(status) then redis.call('SREM', uses, user) else used = true end
  end
  return used
end
