--[[
Writes a new submission down before ComfyUI is asked.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives
  ARGV[4] claim
  ARGV[5] prompt id
  ARGV[6] instance
  ARGV[7] when it will wait there behind another prompt, the time at which it is expected to start (ms since 1970,
          else empty)

Output:
  'ok', or 'canceling': stop; 'superseded': the claim is not the latest any more
]]
--- @include "shared/job"

local claim, prompt_id, instance, expected_start = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
if not held_by(claim) then return 'superseded' end
if get('status') == 'canceling' then return 'canceling' end
if get('prompt_id') ~= prompt_id then
  set('prompt_id', prompt_id, 'instance', instance, 'phase', 'submitted')
  redis.call('HINCRBY', record, 'submissions', 1)
  if expected_start ~= '' then redis.call('ZADD', ahead_key(get('pool')), expected_start, id) end
end
return 'ok'
