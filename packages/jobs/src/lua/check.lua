--[[
Tells the holder whether the job still is its own, wanted, and not asked for by an idle instance.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when it has ended; `claim`; `expected_start`, when its
  prompt turns out to wait behind another: from then on an idle instance may ask for it

Output:
  'ok', 'recalled', 'canceling' or 'superseded'
]]
--- @include "shared/job"

if not held_by(args.claim) then return 'superseded' end
if get('status') == CANCELING then return CANCELING end
if args.expected_start and get('status') == QUEUED and get('prompt_id') ~= '' and get('recalled') == '' then
  redis.call('ZADD', behind_others_key(get('pool')), 'NX', args.expected_start, id)
end
return get('recalled') ~= '' and 'recalled' or 'ok'
