--[[
The members of a job in the list of its key, see record/indexes.ts. The first one tells the others.
]]

local function index_members(job_id, parent, workflow)
  local members = {'all|' .. job_id .. '|' .. (parent or '') .. '|' .. workflow, 'workflow|' .. workflow .. '|' .. job_id}
  if (parent or '') ~= '' then members[3] = 'parent|' .. parent .. '|' .. job_id end
  return members
end
