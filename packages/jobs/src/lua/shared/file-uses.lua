--[[
Which jobs start from a file.
]]
--- @include "shared/job"

-- Whether an open job does, of that key if there is one; those that have ended are forgotten.
local function is_used(uses, key)
  local used = false
  for _, user in ipairs(redis.call('SMEMBERS', uses)) do
    local status, owner = unpack(redis.call('HMGET', job_key(user), 'status', 'key'))
    if not status or is_terminal(status) then redis.call('SREM', uses, user)
    elseif not key or owner == key then used = true end
  end
  return used
end
