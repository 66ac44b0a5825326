--[[
For scripts about jobs, which name the versions of workflows.
]]
--- @include "shared/job"

-- Its source lives for so many ms from now, or longer if it would have anyway. What lives for good goes on to.
local function outlive_version(version, ms)
  local left = redis.call('PTTL', version_key(version))
  if left >= 0 and left < ms then redis.call('PEXPIRE', version_key(version), ms) end
  outlive(graph_jobs_key(version), ms)
end
