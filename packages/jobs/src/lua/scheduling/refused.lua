--[[
What an instance is not given now although it can run it: such jobs failed there, or it leaves them to others.
]]
--- @include "scheduling/waiting"

local refused_keys, refused_lines, others, left_to_others = {}, {}, {}, {}

-- Takes the Refusals of an asker as JSON; empty: it refuses nothing.
local function read_refusals(json)
  if json == '' then return end
  local refusals = cjson.decode(json)
  others = refusals.others or {}
  for _, key in ipairs(refusals.keys) do refused_keys[key] = true end
  for _, line in ipairs(refusals.lines) do refused_lines[line_of(line.key, line.need)] = true end
end
local function can_others_run(need)
  for _, other in ipairs(others) do
    if tonumber(redis.call('HGET', fits_key(other), need) or 0) >= 0 then return true end
  end
  return false
end
local function is_left_to_others(need)
  if left_to_others[need] == nil then left_to_others[need] = can_others_run(need) end
  return left_to_others[need]
end
local function is_refused(key, need)
  return refused_keys[key] or refused_lines[line_of(key, need)] or refused_lines[line_of('', need)]
    or is_left_to_others(need)
end
