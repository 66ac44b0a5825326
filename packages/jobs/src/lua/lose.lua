--[[
Takes the submission off the record, because ComfyUI has nothing (more) to do for it; running → queued, the one step
back, if it was executing. An executing submission whose instance `died` or fell `silent` counts as a kill of the job,
one that ran `out_of_memory` as such. One that is `lost` or whose instance is `silent` may still be in a ComfyUI out of
reach; if it is `lost` and did not begin, it counts as a refusal of the job. One that was `faulty` does not count
against the job, which may wait for its next one as long as it could have waited for that.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when it has ended; `claim`; `prompt_id`; `reason`; `faults`:
  where it failed by now (JSON); `timeline`: how many executions of its instance are remembered

Output:
  'ok', or 'canceling': stop; 'superseded': the claim is not the latest any more
]]
--- @include "shared/events"
--- @include "scheduling/waiting"
--- @include "shared/execution"
--- @include "scheduling/virtual-time"
--- @include "shared/submission"
--- @include "queue/work-items"

local prompt_id, reason = args.prompt_id, args.reason
if not held_by(args.claim) then return 'superseded' end
if get('prompt_id') == prompt_id then
  local is_kill = reason == 'died' or reason == 'silent'
  if is_kill and get('started_prompt') == prompt_id then
    redis.call('HINCRBY', record, 'kills', 1)
    note_kill(false)
  end
  if reason ~= 'faulty' and get('started_prompt') == prompt_id then
    record_used_time()
    record_gpu_time(math.max(0, now_ms() - get('started_at')))
  end
  if get('started_prompt') == prompt_id then
    count_attempt(get('pool'), id)
    local failed = reason == 'faulty' or reason == 'out_of_memory'
    record_execution(failed and FAILED or 'stopped', args.timeline)
  end
  if reason == 'out_of_memory' then redis.call('HINCRBY', record, 'ooms', 1) end
  if reason == 'lost' and get('started_prompt') ~= prompt_id then redis.call('HINCRBY', record, 'refusals', 1) end
  if reason == 'lost' or reason == 'silent' then abandon_submission() end
  if args.faults then set('faults', args.faults) end
  if reason == 'faulty' and get('started_prompt') == prompt_id then
    redis.call('HINCRBY', record, 'faulty_attempts', 1)
    if own_attempts() <= 0 then
      set('start_deadline', string.format('%d', get('start_deadline') + now_ms() - get('started_at')))
      redis.call('ZADD', deadlines_key(), get('start_deadline'), id)
    end
  end
  drop_submission()
  enter(CLAIMED)
  if get('status') == RUNNING then
    join_backlog()
    redis.call('SREM', running_key(get('pool')), id)
    become(QUEUED)
  end
end
return verdict()
