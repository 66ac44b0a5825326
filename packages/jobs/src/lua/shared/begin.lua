--[[
queued → running, for the scripts that learn of it.
]]
--- @include "shared/events"
--- @include "shared/backlog"
--- @include "shared/submission"

local function begin_running(prompt_id)
  leave_line()
  leave_backlog()
  set('started_at', now_ms(), 'started_prompt', prompt_id)
  redis.call('HINCRBY', record, 'attempts', 1)
  redis.call('ZREM', deadlines_key(), id)
  if get('status') == QUEUED then
    redis.call('SADD', running_key(get('pool')), id)
    become(RUNNING)
  end
end
