--[[
A worker takes the first of the jobs that scheduling/choose.ts chose which still is as it was read: it waits at its place,
and its key may have one more in work. A repeat with the same token answers the same.

Input:
  KEYS[1] any key
  `chosen`: the jobs in the order of the choice, see placeOf in workers/claim-next.ts
  `pool`, `instance`, `worker`, `token` of the claim, `lock_ms`, `ended_life`
  `most_deaths` after which a job fails, `too_many_deaths`: the error to fail it with (JSON)

Output:
  {'ok', snapshot}, or {'lost'}: choose again
]]
--- @include "shared/take-claim"
--- @include "shared/snapshot"
--- @include "queue/take"

local pool = args.pool

local function drop()
  redis.call('LREM', first_key(pool), 0, id)
  drop_work_item(pool, id)
end
-- Whether it still may be taken. What is not as it should be is put right.
local function may_take(chosen)
  local status = get('status')
  if status == '' or is_terminal(status) then return drop() end
  if is_halted(pool) and status ~= CANCELING and get('prompt_id') == '' then return false end
  if not chosen.queue then return redis.call('LREM', first_key(pool), 0, id) > 0 end
  local sequence = redis.call('ZSCORE', affinity_queue_key(pool, chosen.queue), id)
  if tonumber(sequence or nil) ~= chosen.sequence then return false end
  if is_overdue() then
    close_job(EXPIRED)
    return drop()
  end
  if is_at_limit(chosen.key, get('most_taken')) then return hold_back(pool, chosen.key) end
  return true
end
local function take_job()
  if not take_work_item(pool, id, args.token, args.lock_ms) then
    leave_waiting()
    return false
  end
  if take_claim(args.worker, args.token, args.most_deaths, args.too_many_deaths) then return true end
  return drop()
end
local function note_taken(chosen)
  note_passed_over(pool, chosen.passed_over)
  redis.call('ZREM', passed_over_key(pool), chosen.queue)
  if has_most_in_work(chosen.key, get('most_taken')) then hold_back(pool, chosen.key) end
  if chosen.load_ms > 0 then
    -- Others reckon with it as if it had them already.
    redis.call('HSET', fits_key(args.instance), chosen.affinity, 0)
    redis.call('HSET', loaded_key(pool), args.instance, now_ms())
  end
end

redis.call('ZREM', choosing_key(pool), args.token)
for _, chosen in ipairs(args.chosen) do
  id, record = chosen.job, job_key(chosen.job)
  if get('claimed_with') == args.token then return {'ok', snapshot()} end
  if may_take(chosen) and take_job() then
    if chosen.queue then note_taken(chosen) end
    if redis.call('EXISTS', turns_key(pool)) == 1 then wake_worker(pool) end
    return {'ok', snapshot()}
  end
end
return {'lost'}
