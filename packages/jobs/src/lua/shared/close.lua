--[[
Ends a job.
]]
--- @include "constants"
--- @include "shared/events"
--- @include "scheduling/waiting"
--- @include "shared/execution"
--- @include "shared/life"
--- @include "queue/work-items"
--- @include "shared/submission"

-- For how long equal jobs of the key get the outputs of one that has succeeded.
local REUSE_LIFE_MS = 604800000

-- Counts what the key used today: how the job ended, and the GPU time.
local function record_usage(status, gpu_ms, pictures)
  local usage = usage_key(get('key'), today())
  redis.call('HINCRBY', usage, status, 1)
  if gpu_ms > 0 then use_gpu(gpu_ms, owner_of_job()) end
  if status == SUCCEEDED then
    redis.call('HINCRBY', usage, 'pictures', pictures or 0)
  end
  redis.call('PEXPIRE', usage, USAGE_LIFE_MS)
end
-- The only way into a terminal status. `gpu_ms`: how long the job executed, if that is known better than by the clock.
-- `pictures`: how many it made.
local function close_job(status, gpu_ms, pictures)
  local pool = get('pool')
  if not gpu_ms then gpu_ms = get('started_at') == '' and 0 or now_ms() - get('started_at') end
  if status ~= SUCCEEDED then gpu_ms = gpu_ms + (tonumber(get('faulty_ms')) or 0) end
  set('finished_at', now_ms())
  become(status)
  enter(ENDED)
  redis.call('HDEL', record, 'comfy_key')
  leave_prompt_queue()
  leave_waiting()
  if get('reused_from') ~= '' then redis.call('HINCRBY', callers_key(), get('key'), -1) end
  record_usage(status, gpu_ms, pictures)
  charge(gpu_ms)
  if gpu_ms > 0 then learn_of_key(gpu_ms) end
  leave_work()
  local kind, signature, files, origin, reuse =
    unpack(redis.call('HMGET', record, 'kind', 'signature', 'files', 'origin', 'reuse'))
  for digest in string.gmatch(files or '', '%S+') do redis.call('SREM', input_uses_key(digest), id) end
  redis.call('HINCRBY', totals_key(), kind .. ' ' .. lod_of(signature) .. ' ' .. status, 1)
  redis.call('SREM', held_key(get('worker')), id)
  redis.call('SREM', held_key(owner()), id)
  redis.call('ZREM', open_key(pool), id)
  redis.call('ZREM', deadlines_key(), id)
  if redis.call('ZCARD', open_key(pool)) == 0 then
    redis.call('DEL', backlog_key(pool), schedule_key(pool))
    for _, instance in ipairs(redis.call('ZRANGE', presents_key(pool), 0, -1)) do forget_served(pool, instance) end
  end
  if reuse and status == SUCCEEDED then
    redis.call('SET', reuse_key(get('key'), reuse), id, 'PX', math.min(REUSE_LIFE_MS, ended_life))
  end
  redis.call('DEL', preview_key(id))
  local life, callback = ended_life, get('callback')
  if callback ~= '' and is_callback_due(status) and is_wanted(callback, status) then
    redis.call('XADD', outbox_key(), '*', 'job', id, 'key', get('key'), 'url', cjson.decode(callback).url)
    life = life + UNDELIVERED_EXTRA_MS
  end
  if origin then redis.call('ZADD', listed_of_key(get('key')), string.format('%.0f', ENDED_AFTER + now_ms()), id) end
  live(life)
end
-- Ends a job and its work item, if no worker will end that. `reason` is what operators see on the work item.
local function close_with_item(status, reason)
  close_job(status)
  fail_work_item(get('pool'), id, reason or status, now_ms())
end
