--[[
What an instance is not given now although it can run it, since such jobs failed there.
]]
--- @include "scheduling/waiting"

local refused_keys, refused_lines = {}, {}

-- Takes the Refusals of an asker as JSON; empty: it refuses nothing.
local function read_refusals(json)
  if json == '' then return end
  local refusals = cjson.decode(json)
  for _, key in ipairs(refusals.keys) do refused_keys[key] = true end
  for _, line in ipairs(refusals.lines) do refused_lines[line_of(line.key, line.need)] = true end
end
local function is_refused(key, need)
  return refused_keys[key] or refused_lines[line_of(key, need)] or refused_lines[line_of('', need)]
end
