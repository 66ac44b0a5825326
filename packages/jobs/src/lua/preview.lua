--[[
Hands a picture of the unfinished work to those who listen, and keeps it a minute for those who come. It is published,
not written to the job's stream: pictures are too large to be kept.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives
  ARGV[4] claim
  ARGV[5] preview (JSON)

Output:
  'ok' or 'superseded'
]]
--- @include "shared/job"

local LIFE_MS = 60000

local claim, preview = ARGV[4], ARGV[5]
if not held_by(claim) then return 'superseded' end
if get('status') == 'running' and redis.call('PUBLISH', job_channel(id), 'preview ' .. preview) > 0 then
  redis.call('SET', preview_key(id), preview, 'PX', LIFE_MS)
end
return 'ok'
