--[[
Takes jobs whose record is gone out of the list of their key's jobs, and releases the bytes that they held.

Input:
  KEYS[1] the list
  ARGV[1] prefix
  ARGV[2] API key
  ARGV[3…] job ids

Output:
  how many were taken out
]]
--- @include "shared/job-bytes"

local pruned = 0
for n = 3, #ARGV do
  if redis.call('EXISTS', job_key(ARGV[n])) == 0 then
    pruned = pruned + redis.call('ZREM', KEYS[1], ARGV[n])
    release_bytes(ARGV[2], ARGV[n])
  end
end
return pruned
