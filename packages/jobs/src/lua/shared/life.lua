--[[
How long an ended job lives, with all that stands beside it.
]]
--- @include "constants"
--- @include "shared/companions"
--- @include "shared/version"

-- For so many ms from now; `at_least`: or longer if it would have anyway. The indexes of its key live longer than any job.
local function live(ms, at_least)
  local function keep(key) if at_least then outlive(key, ms) else redis.call('PEXPIRE', key, ms) end end
  keep(record)
  keep(attempts_key(id))
  each_companion(keep)
  each_index(function(index) outlive(index, ms + INDEX_EXTRA_MS) end)
  for _, index in ipairs({ended_of_key(get('key')), job_bytes_key(get('key'))}) do outlive(index, ms + INDEX_EXTRA_MS) end
  if get('version') ~= '' then outlive_version(get('version'), ms + INDEX_EXTRA_MS) end
end
