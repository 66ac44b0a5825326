--[[
The end of a job, for the scripts that end one.
]]
--- @include "constants"
--- @include "shared/events"
--- @include "scheduling/waiting"
--- @include "shared/execution"
--- @include "shared/life"
--- @include "queue/work-items"
--- @include "shared/submission"

-- What its key used today: how the job ended, and for how long a GPU worked for it.
local function record_usage(status, gpu_ms, pictures)
  local usage = usage_key(get('key'), today())
  redis.call('HINCRBY', usage, status, 1)
  if gpu_ms then
    redis.call('HINCRBY', usage, 'gpu_ms', string.format('%d', gpu_ms))
    record_gpu_time(gpu_ms)
  end
  if status == SUCCEEDED then
    redis.call('HINCRBY', usage, 'pictures', pictures or 0)
  end
  redis.call('PEXPIRE', usage, USAGE_LIFE_MS)
end
-- It leaves the list of open jobs in the same moment.
local function enter_ended(key, ended)
  redis.call('ZREM', open_of_key(key), ended)
  redis.call('ZADD', ended_of_key(key), now_ms(), ended)
end
-- Where jobs of a client are listed as ended in order, one stays in the list of open jobs until the earlier ones have ended.
local function enter_ended_in_order(key, client)
  local line = in_order_of_key(key, client)
  set('withheld', 1)
  while true do
    local first = redis.call('ZRANGE', line, 0, 0)[1]
    local status = first and redis.call('HGET', job_key(first), 'status')
    if not first or status and not is_terminal(status) then return end
    redis.call('ZREM', line, first)
    redis.call('HDEL', job_key(first), 'withheld')
    if status then enter_ended(key, first) end
  end
end
-- The one way into a terminal state. ms of execution, if they are known better than by the clock; how many pictures it made.
local function close_job(status, gpu_ms, pictures)
  local pool = get('pool')
  if not gpu_ms and get('started_at') ~= '' then gpu_ms = now_ms() - get('started_at') end
  become(status)
  enter(ENDED)
  set('finished_at', now_ms())
  redis.call('HDEL', record, 'comfy_key')
  leave_prompt_queue()
  leave_backlog()
  leave_waiting()
  record_usage(status, gpu_ms, pictures)
  -- Before its key may take its turns again: that begins at the present, and what it gets back is no credit.
  correct_charge(gpu_ms)
  leave_taken()
  local kind, signature, files, origin = unpack(redis.call('HMGET', record, 'kind', 'signature', 'files', 'origin'))
  for digest in string.gmatch(files or '', '%S+') do redis.call('SREM', input_uses_key(digest), id) end
  redis.call('HINCRBY', totals_key(), kind .. ' ' .. lod_of(signature) .. ' ' .. status, 1)
  redis.call('SREM', held_key(get('worker')), id)
  redis.call('SREM', held_key(owner()), id)
  redis.call('ZREM', open_key(pool), id)
  redis.call('SREM', running_key(pool), id)
  redis.call('ZREM', deadlines_key(), id)
  if redis.call('ZCARD', open_key(pool)) == 0 then
    redis.call('DEL', backlog_key(pool), schedule_key(pool), virtual_times_key(pool), arrivals_key(pool),
      removals_key(pool), affinity_models_key(pool), loaded_key(pool), choosing_key(pool))
  end
  redis.call('DEL', preview_key(id))
  local life, callback = ended_life, get('callback')
  if callback ~= '' and is_callback_due(status) and is_wanted(callback, status) then
    redis.call('XADD', outbox_key(), '*', 'job', id, 'status', status, 'callback', callback)
    life = life + UNDELIVERED_EXTRA_MS
  end
  if origin and get('in_order') ~= '' then enter_ended_in_order(get('key'), get('client'))
  elseif origin then enter_ended(get('key'), id) end
  live(life)
end
-- The same for scripts after which no worker ends its work item. `reason`: what operators see of it there.
local function close_with_item(status, reason)
  close_job(status)
  fail_work_item(get('pool'), id, reason or status, now_ms(), args.kept_work_items)
end
