--[[
Reads jobs and counts requests, for whoever asks in the same moment, in one round trip.

Input:
  KEYS[1] any key
  ARGV[1] prefix
  ARGV[4…] for each question two: 'job' and an id, or 'count' and a key

Output:
  for each job its snapshot; for each count how many requests of the key this minute has seen, this one
  included, and how
  many ms of it are left
]]
--- @include "shared/snapshot"
--- @include "shared/count"

local replies = {}
for n = 4, #ARGV, 2 do
  local subject = ARGV[n + 1]
  if ARGV[n] == 'count' then
    replies[#replies + 1] = count(subject)
  else
    id, record = subject, job_key(subject)
    replies[#replies + 1] = snapshot()
  end
end
return replies
