--[[
Takes, for each slot of an instance, the first of the jobs chosen by scheduling/choose.ts that is unchanged since it was
read: it waits in the same place, and its key may have one more job in work. A repeat with the same tokens returns the same.

Input:
  KEYS[1] any key
  `chosen`: the jobs in the order in which they were chosen, see chosenArgument in workers/claim-next.ts
  `tokens`: one claim token for each slot
  `pool`, `instance`, `worker`, `lock_ms`

Output:
  the records of the jobs in the order of the tokens; if there are fewer than tokens, the other slots must choose again
  how many of the chosen jobs were tried
]]
--- @include "shared/take-claim"
--- @include "queue/work-items"

local pool = args.pool

-- Whether the job may still be taken. Cleans up a job that has ended, or whose key is at its limit.
local function may_take(chosen, status, prompt_id, most_taken)
  if not status or is_terminal(status) then return drop_work_item(pool, id) end
  if is_paused(pool) and status ~= CANCELING and (prompt_id or '') == '' then return false end
  if not chosen.queue then return is_first(pool, id) end
  local sequence = redis.call('ZSCORE', affinity_queue_key(pool, chosen.queue), id)
  if tonumber(sequence or nil) ~= chosen.sequence then return false end
  if is_overdue() then return false end
  if is_queue_of_graphs(chosen.queue) and are_graphs_held_back(chosen.key) then return false end
  if is_at_limit(chosen.key, most_taken) then return stop_serving(pool, chosen.key) end
  return true
end
local function take_job(token)
  if not take_work_item(pool, id, token, args.lock_ms) then
    leave_waiting()
    return false
  end
  take_claim(args.worker, token)
  return true
end
local function record_taken(chosen, most_taken)
  serve(pool, chosen.key, args.instance)
  record_passed_over(pool, chosen.passed_over)
  if not chosen.leaves_first then redis.call('HDEL', schedule_key(pool), 'passed ' .. chosen.queue) end
  if has_most_in_work(chosen.key, most_taken) then stop_serving(pool, chosen.key) end
  if chosen.load_ms > 0 then
    -- Other workers count the models as loaded already.
    redis.call('HSET', fits_key(args.instance), chosen.affinity, 0)
    redis.call('HSET', schedule_key(pool), 'loaded ' .. args.instance, now_ms())
  end
end
local function take_chosen(chosen, token)
  id, record = chosen.job, job_key(chosen.job)
  local status, prompt_id, most_taken, claimed_with =
    unpack(redis.call('HMGET', record, 'status', 'prompt_id', 'most_taken', 'claimed_with'))
  if claimed_with == token then return true end
  if not may_take(chosen, status, prompt_id, most_taken) or not take_job(token) then return false end
  if chosen.queue then record_taken(chosen, most_taken) end
  return true
end

local taken, n = {}, 0
for _, token in ipairs(args.tokens) do
  local is_taken = false
  while args.chosen[n + 1] and not is_taken do
    n = n + 1
    is_taken = take_chosen(args.chosen[n], token)
  end
  if is_taken then taken[#taken + 1] = redis.call('HGETALL', record) end
  -- After a load the instance holds other models, so its other slots choose again.
  if not is_taken or (args.chosen[n].load_ms or 0) > 0 then break end
end
if taken[1] and redis.call('EXISTS', keys_to_serve_key(pool)) == 1 then wake_worker(pool) end
return {taken, n}
