--[[
Publishes a picture of the unfinished work, and keeps it for a minute for new listeners. It is not written to the job's
stream because pictures are too large for it.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long an ended record lives, in ms; `claim`; `preview` (JSON)

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
