--[[
Tells the holder whether the job still is its own, wanted, and not asked for by an idle instance.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives
  ARGV[4] claim
  ARGV[5] when its prompt turns out to wait behind another, the time at which it is expected to start (else empty):
          from then on an idle instance may ask for it

Output:
  'ok', 'recalled', 'canceling' or 'superseded'
]]
--- @include "shared/job"

if not held_by(ARGV[4]) then return 'superseded' end
if get('status') == 'canceling' then return 'canceling' end
if ARGV[5] ~= '' and get('status') == 'queued' and get('prompt_id') ~= '' and get('recalled') == '' then
  redis.call('ZADD', ahead_key(get('pool')), 'NX', ARGV[5], id)
end
return get('recalled') ~= '' and 'recalled' or 'ok'
