--[[
Hands a picture of the unfinished work to those who listen, and keeps it a minute for those who come. It is published,
not written to the job's stream: pictures are too large to be kept.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when it has ended; `claim`; `preview` (JSON)

Output:
  'ok' or 'superseded'
]]
--- @include "shared/job"

local LIFE_MS = 60000

local preview = args.preview
if not held_by(args.claim) then return 'superseded' end
if get('status') == RUNNING and redis.call('PUBLISH', job_channel(id), 'preview ' .. preview) > 0 then
  redis.call('SET', preview_key(id), preview, 'PX', LIFE_MS)
end
return 'ok'
