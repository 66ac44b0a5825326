--[[
What a signature says; see record/signature.ts.
]]

local function lod_of(signature) return string.match(signature, '^[^|]+') end
-- Under which what is learned of a workflow's version is kept, in whatever size it runs.
local function version_of(signature) return '=' .. string.match(signature, '[^|]*$') end
