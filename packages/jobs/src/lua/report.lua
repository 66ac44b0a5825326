--[[
The holder of a claim reports what became of the submission, or asks whether the job is still its own.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`; `claim`; `what` it reports, and the arguments of that, see below

Output:
  'ok'; 'canceling': stop the job; 'superseded': there is a newer claim; 'recalled' (to `check`): an idle instance wants it
]]
--- @include "shared/submission"
--- @include "scheduling/virtual-time"

local PREVIEW_LIFE_MS = 60000

local what = args.what
local is_current = get('prompt_id') == args.prompt_id
if not held_by(args.claim) then return 'superseded' end

-- queued → running: ComfyUI began to execute the submission `prompt_id`. `cached_nodes`: ids of the nodes whose results it
-- has cached (JSON). A late report about an earlier submission changes nothing.
if what == 'start' and is_current then
  enter(EXECUTING)
  if args.cached_nodes then set('cached_nodes', args.cached_nodes) end
  if get('started_prompt') ~= args.prompt_id then begin_running(args.prompt_id) end
end
-- `progress` (JSON) of the execution. Progress that arrives before the start is recorded, or late from a lost submission, is
-- dropped: a queued job has no progress and no events.
if what == 'progress' and get('status') == RUNNING and get('progress') ~= args.progress then
  set('progress', args.progress)
  emit('{"type":"progress","progress":' .. args.progress .. '}', EVENTS_LIFE_RUNNING_MS)
end
-- A picture of the unfinished work, `preview` (JSON), is published and kept for a minute for new listeners. It is not
-- written to the job's stream because pictures are too large for it.
if what == 'preview' and get('status') == RUNNING
  and redis.call('PUBLISH', job_channel(id), 'preview ' .. args.preview) > 0 then
  redis.call('SET', preview_key(id), args.preview, 'PX', PREVIEW_LIFE_MS)
end
-- The execution ended; its outputs are being fetched. The instance is free for other keys.
if what == 'collect' then
  enter(COLLECTING)
  count_no_more()
end
-- The submission `prompt_id` killed its instance, or ignores its interrupt and is given up. This counts as a kill by the
-- job's key at once, no matter how the job ends. A repeat does not count again.
if what == 'kill' and is_current then record_kill(args.prompt_id) end
if what == 'check' and get('phase') == CLAIMED then charge_claimed() end
if what == 'check' and get('phase') == EXECUTING then charge_running() end
if what ~= 'check' or get('status') == CANCELING then return verdict() end
-- `expected_start` (ms since 1970), if the prompt turned out to wait behind another: an idle instance may then recall it.
local is_recalled = get('recalled') ~= ''
if args.expected_start and get('status') == QUEUED and get('prompt_id') ~= '' and not is_recalled then
  redis.call('ZADD', behind_others_key(get('pool')), 'NX', args.expected_start, id)
end
return is_recalled and 'recalled' or 'ok'
