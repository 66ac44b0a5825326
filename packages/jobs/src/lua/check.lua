--[[
Tells the holder of a claim whether the job is still its own, still wanted, and not recalled by an idle instance.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long an ended record lives, in ms; `claim`;
  `expected_start` (ms since 1970), if its prompt turned out to wait behind another: an idle instance may then recall it

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
