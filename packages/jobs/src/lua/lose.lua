--[[
Removes the submission from the record because ComfyUI will not, or no longer, execute it. If it was executing, the job
goes back from running to queued, the only step back. By `reason`:
  `died`, `silent` (the instance did): counts as a kill if the submission was executing
  `lost` (the instance does not have it): counts as a refusal if it was not executing
  `out_of_memory`: counts as such
  `faulty`, `bystander` (the instance died or fell silent for another submission): does not count against the job, whose
  start deadline moves by the time of the execution
If the reason is `lost`, `silent` or `bystander`, the submission may still be in a ComfyUI that is out of reach.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long an ended record lives, in ms; `claim`; `prompt_id`; `reason`;
  `faults`: where the job has failed so far (JSON)

Output:
  'ok'; 'canceling': stop the job; 'superseded': there is a newer claim
]]
--- @include "shared/events"
--- @include "shared/execution"
--- @include "scheduling/virtual-time"
--- @include "shared/submission"
--- @include "queue/work-items"

local prompt_id, reason = args.prompt_id, args.reason
if not held_by(args.claim) then return 'superseded' end
if get('prompt_id') == prompt_id then
  local is_excused = reason == 'faulty' or reason == 'bystander'
  local is_kill = reason == 'died' or reason == 'silent'
  if is_kill and get('started_prompt') == prompt_id then
    redis.call('HINCRBY', record, 'kills', 1)
    record_kill(get('prompt_id'))
  end
  if get('started_prompt') == prompt_id then
    if reason == 'faulty' then record_time('faulty_ms')
    elseif reason ~= 'bystander' then
      record_time('used_ms')
      use_gpu(executing_ms(), owner_of_job())
    end
    count_attempt(get('pool'), id)
    local failed = reason == 'faulty' or reason == 'out_of_memory'
    record_execution(failed and FAILED or 'stopped')
  end
  if reason == 'out_of_memory' then redis.call('HINCRBY', record, 'ooms', 1) end
  if reason == 'lost' and get('started_prompt') ~= prompt_id then redis.call('HINCRBY', record, 'refusals', 1) end
  if reason == 'lost' or reason == 'silent' or reason == 'bystander' then abandon_submission() end
  if args.faults then set('faults', args.faults) end
  if is_excused and get('started_prompt') == prompt_id then
    redis.call('HINCRBY', record, 'faulty_attempts', 1)
    if own_attempts() <= 0 then
      set('start_deadline', string.format('%d', get('start_deadline') + now_ms() - get('started_at')))
      redis.call('ZADD', deadlines_key(), get('start_deadline'), id)
    end
  end
  drop_submission()
  enter(CLAIMED)
  set('claimed_at', now_ms())
  if get('status') == RUNNING then become(QUEUED) end
end
return verdict()
