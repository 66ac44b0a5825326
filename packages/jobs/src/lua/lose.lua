--[[
Takes the submission off the record, because ComfyUI has nothing (more) to do for it; running → queued, the one step
back, if it was executing. An executing submission whose instance `died` or fell `silent` counts as a kill of the job,
one that ran `out_of_memory` as such. One that is `lost` or whose instance is `silent` may still be in a ComfyUI out of
reach; if it is `lost` and did not begin, it counts as a refusal of the job. One that was `faulty` does not count
against the job, which may wait for its next one as long as it could have waited for that.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives
  ARGV[4] claim
  ARGV[5] prompt id
  ARGV[6] reason
  ARGV[7] where it failed by now (JSON), or empty
  ARGV[8] how many executions of its instance are remembered, or empty

Output:
  'ok', or 'canceling': stop; 'superseded': the claim is not the latest any more
]]
--- @include "shared/events"
--- @include "shared/backlog"
--- @include "shared/gpu-time"
--- @include "scheduling/virtual-time"
--- @include "shared/submission"
--- @include "shared/timeline"

local claim, prompt_id, reason, faults = ARGV[4], ARGV[5], ARGV[6], ARGV[7] or ''
if not held_by(claim) then return 'superseded' end
if get('prompt_id') == prompt_id then
  local is_kill = reason == 'died' or reason == 'silent'
  if is_kill and get('started_prompt') == prompt_id then
    redis.call('HINCRBY', record, 'kills', 1)
    note_kill()
  end
  if reason ~= 'faulty' and get('started_prompt') == prompt_id then
    note_used_time()
    note_gpu_time(math.max(0, now_ms() - get('started_at')))
  end
  if get('started_prompt') == prompt_id then
    local failed = reason == 'faulty' or reason == 'out_of_memory'
    note_execution(failed and 'failed' or 'stopped', tonumber(ARGV[8] or ''))
  end
  if reason == 'out_of_memory' then redis.call('HINCRBY', record, 'ooms', 1) end
  if reason == 'lost' and get('started_prompt') ~= prompt_id then redis.call('HINCRBY', record, 'refusals', 1) end
  if reason == 'lost' or reason == 'silent' then abandon_submission() end
  if faults ~= '' then set('faults', faults) end
  if reason == 'faulty' and get('started_prompt') == prompt_id then
    redis.call('HINCRBY', record, 'faulty_attempts', 1)
    if own_attempts() <= 0 then
      set('start_deadline', string.format('%d', get('start_deadline') + now_ms() - get('started_at')))
      redis.call('ZADD', deadlines_key(), get('start_deadline'), id)
    end
  end
  drop_submission()
  set('phase', 'claimed')
  if get('status') == 'running' then
    set('status', 'queued')
    join_backlog()
    redis.call('SREM', running_key(get('pool')), id)
    emit_status('queued')
  end
end
return get('status') == 'canceling' and 'canceling' or 'ok'
