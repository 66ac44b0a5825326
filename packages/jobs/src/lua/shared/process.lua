--[[
A token of a lock is the name of a process, a colon and a number.
]]

local function process_of(token) return string.match(token, '^(.*):[^:]*$') end
