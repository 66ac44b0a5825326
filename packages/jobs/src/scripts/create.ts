import { INDEX_EXTRA_MS, PRELUDE, SNAPSHOT, USAGE_LIFE_MS } from './prelude.js';

/** BullMQ's ceiling for a priority; ranks above it are clamped and then served first in, first out. */
const MAX_RANK = 2_097_151;

/**
 * queued: writes the records of several orders and gives each its rank. Each order is made whole or not at all. Own
 * arguments, for each order: digest of its Idempotency-Key (or empty), fingerprint of its request, ms that they are
 * remembered, caller, most jobs of the caller that may wait (or empty), most open jobs of all, number of jobs (0 only
 * asks whether it was made before: `new` if not); then for each job: id, pool, flow, step, ms after which it expires if
 * it still is queued, signature, number of fields, field–value pairs of the record. Answers for each order a verdict,
 * and with `ok` and `replayed` the jobs as `{id, pool, rank, phase}`. A job made now has its creation and start deadline
 * besides, and if it is the only one how many are ahead of it; one that was made before comes with its snapshot. A repeat
 * for the same ids changes nothing.
 */
export const createScript = `${PRELUDE}${SNAPSHOT}
local cursor = 4
local function take()
  local value = ARGV[cursor]
  cursor = cursor + 1
  return value
end
local function read_order()
  local order = {digest = take(), fingerprint = take(), remember = take(), caller = take(),
    most_waiting = tonumber(take()), most_open = tonumber(take()), jobs = {}}
  for n = 1, tonumber(take()) do
    local job = {id = take(), pool = take(), flow = take(), step = tonumber(take()), start_within = tonumber(take()),
      signature = take()}
    local fields = tonumber(take())
    job.first, job.last = cursor, cursor + fields - 1
    cursor = cursor + fields
    order.jobs[n] = job
  end
  return order
end
-- What was made before, as it is now.
local function answer(verdict, ids)
  local jobs = {}
  for n, job_id in ipairs(ids) do
    local written = redis.call('HMGET', job_key(job_id), 'pool', 'rank', 'phase')
    jobs[n] = {job_id, written[1] or '', written[2] or '', written[3] or ''}
  end
  if #ids > 1 then return {verdict, jobs} end
  id, record = ids[1], job_key(ids[1])
  return {verdict, jobs, snapshot()}
end
local function ids_of(order)
  local ids = {}
  for n, job in ipairs(order.jobs) do ids[n] = job.id end
  return ids
end
local function refusal(order)
  local open = #order.jobs
  for _, pool in ipairs(redis.call('SMEMBERS', pools_key())) do open = open + redis.call('ZCARD', open_key(pool)) end
  if open > order.most_open then return 'full' end
  local waiting = tonumber(redis.call('HGET', waiting_of_key(), order.caller) or 0)
  if order.most_waiting and waiting + #order.jobs > order.most_waiting then return 'waiting' end
end
local function write(job, caller, now)
  local pool, signature, key = job.pool, job.signature, job_key(job.id)
  local flow = 'flow:' .. job.flow
  local ranks = redis.call('HMGET', ranks_key(pool), 'V', flow)
  local rank = math.min(math.max(tonumber(ranks[1] or 0), tonumber(ranks[2] or 0)) + job.step, ${MAX_RANK})
  redis.call('HSET', ranks_key(pool), flow, rank)
  local deadline = string.format('%d', now + job.start_within)
  redis.call('HSET', key, 'id', job.id, 'pool', pool, 'rank', rank, 'status', 'queued', 'phase', 'waiting', 'claim', 0,
    'created_at', now, 'start_deadline', deadline, 'signature', signature, 'key', caller, 'in_backlog', 1,
    unpack(ARGV, job.first, job.last))
  count_waiting(pool, signature, caller)
  redis.call('ZADD', open_key(pool), now, job.id)
  redis.call('ZADD', deadlines_key(), deadline, job.id)
  redis.call('ZADD', jobs_of_key(caller), 0, job.id)
  return {job.id, pool, rank, 'waiting', now, deadline}
end
-- Those that will be served before one of that rank which comes now. A score is rank · 2^32 + counter.
local function ahead_of(pool, rank)
  local below = string.format('(%.0f', (rank + 1) * 4294967296)
  return redis.call('ZCOUNT', prioritized_key(pool), '-inf', below) + redis.call('LLEN', wait_key(pool))
end
local function make(order)
  if order.digest ~= '' then
    local known = redis.call('GET', idempotency_key(order.caller, order.digest))
    if known then
      local fingerprint, ids = string.match(known, '^(%S+) (.*)$')
      if fingerprint ~= order.fingerprint then return {'reused'} end
      local list, found = {}, 0
      for made in string.gmatch(ids, '[^,]+') do
        list[#list + 1] = made
        found = found + redis.call('EXISTS', job_key(made))
      end
      if found == 0 then return {'gone'} end
      -- The same process may send one order twice, after a lost connection.
      local again = order.jobs[1] and order.jobs[1].id == list[1]
      return answer(again and 'ok' or 'replayed', list)
    end
  end
  if #order.jobs == 0 then return {'new'} end
  local ids = ids_of(order)
  if redis.call('EXISTS', job_key(ids[1])) == 1 then return answer('ok', ids) end
  local refused = refusal(order)
  if refused then return {refused} end
  local caller, now, written, pools = order.caller, now_ms(), {}, {}
  for n, job in ipairs(order.jobs) do
    written[n] = write(job, caller, now)
    if not pools[job.pool] then redis.call('SADD', pools_key(), job.pool) end
    pools[job.pool] = true
  end
  if #written == 1 then written[1][7] = ahead_of(order.jobs[1].pool, written[1][3]) end
  redis.call('SADD', callers_key(), caller)
  redis.call('PEXPIRE', jobs_of_key(caller), ended_life + ${INDEX_EXTRA_MS})
  local usage = usage_key(caller, today())
  redis.call('HINCRBY', usage, 'jobs', #ids)
  redis.call('PEXPIRE', usage, ${USAGE_LIFE_MS})
  if order.digest ~= '' then
    redis.call('SET', idempotency_key(caller, order.digest), order.fingerprint .. ' ' .. table.concat(ids, ','), 'PX', order.remember)
  end
  return {'ok', written}
end
local replies = {}
while cursor <= #ARGV do replies[#replies + 1] = make(read_order()) end
return replies
`;
