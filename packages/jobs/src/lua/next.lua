--[[
An instance asks for work: one job of the pool is chosen, and the worker takes it. First come jobs that somebody had
before, whose submission may be in a ComfyUI or whose prompt is to be stopped; they come also while the pool is paused.
Then each key in its turn, the least virtual time first, with the job that it wants first, unless the instance would have
to load less for one whose turn is near. A repeat with the same token answers the same.

Input:
  KEYS[1] the pool's open jobs
  `pool`; `ended_life`: ms that an ended record lives; `worker`; `token` of the work item's lock; `lock_ms`: how long
  the lock lasts; `most_deaths` after which a job fails; `too_many_deaths`: the error to fail it with (JSON);
  `most_overtakes`: later jobs of its key that may pass a job by; `worker_clock`, ms since 1970: it says how long a
  job rests; `instance`, or empty: it can run everything and has to load nothing; `patience`: ms for which a job may
  be passed by for those that need less loading; `from`: how many keys were looked at in vain; `clock` of all workers,
  ms since 1970: it says how long a job was passed by; `refusals` of the instance (JSON), or empty

Output:
  {'ok', snapshot};
  {'none', when the next one has rested, ms since 1970 or 0};
  {'left', the same}: jobs wait, but not for this instance;
  {'halted'};
  {'unknown', need, request (JSON), …}: it is not known whether the instance can run jobs with these needs;
  {'again', keys looked at}: nothing was found among these, and there are more
]]
--- @include "shared/take-claim"
--- @include "shared/snapshot"
--- @include "shared/storage"
--- @include "scheduling/choose"
--- @include "queue/take"

-- Jobs that turn out to be none of anybody's, in one go.
local MOST_LOOKED_AT = 50
-- Longer than a connection is away whose command is sent again.
local REPEAT_LIFE_MS = 60000

local ask, pool, token = args, args.pool, args.token

read_refusals(args.refusals)

local function look_at(job_id) id, record = job_id, job_key(job_id) end
local function take(job_id)
  if not take_work_item(pool, job_id, token, args.lock_ms) then return false end
  if not take_claim(args.worker, token, args.most_deaths, args.too_many_deaths) then
    drop_work_item(pool, job_id)
    return false
  end
  redis.call('SET', claimed_with_key(token), job_id, 'PX', REPEAT_LIFE_MS)
  if redis.call('EXISTS', turns_key(pool)) == 1 then wake_worker(pool) end
  return true
end
-- Back among those that wait, with the turn that it had; or first of all, if somebody else had it.
local function requeue(job_id)
  look_at(job_id)
  local status, phase = get('status'), get('phase')
  if status == '' or is_terminal(status) then return drop_work_item(pool, job_id) end
  if phase ~= WAITING or status ~= QUEUED or get('prompt_id') ~= '' then
    redis.call('RPUSH', first_key(pool), job_id)
  else
    return_to_waiting()
  end
end
-- Takes the job if it can be had; if not it waits no more.
local function take_waiting(candidate)
  local job_id, key, need = id_of(pool, candidate), candidate.key, candidate.need
  look_at(job_id)
  local fields = redis.pcall('HMGET', record, 'phase', 'most_taken', 'signature')
  local phase, most_taken, signature = fields[1], tonumber(fields[2] or ''), fields[3] or ''
  if phase ~= WAITING then
    delist(job_id, pool, key, signature, need)
  elseif is_overdue() then
    close_job(EXPIRED)
    drop_work_item(pool, job_id)
  elseif most_taken and redis.call('SCARD', taken_of_key(key)) >= most_taken or is_over_storage(key) then
    end_turns(pool, key)
    redis.call('SADD', held_back_key(pool), key)
  else
    if take(job_id) then
      redis.call('LREM', newcomers_key(pool), 0, key)
      note_choice(pool, ask, candidate)
      return true
    end
    delist(job_id, pool, key, signature, need)
  end
  return false
end
-- With a request of each, from which the worker sees what it takes.
local function with_requests(lines)
  local reply = {'unknown'}
  for _, line in ipairs(lines) do
    reply[#reply + 1] = line.need
    reply[#reply + 1] = redis.call('HGET', job_key(id_of(pool, line)), 'request') or ''
  end
  return reply
end

local repeated = redis.call('GET', claimed_with_key(token))
if repeated then
  look_at(repeated)
  if get('claimed_with') == token then return {'ok', snapshot()} end
end
for _, job_id in ipairs(returned_work_items(pool, args.worker_clock)) do requeue(job_id) end
local halted = is_halted(pool)
for _ = 1, math.min(redis.call('LLEN', first_key(pool)), MOST_LOOKED_AT) do
  look_at(redis.call('LPOP', first_key(pool)))
  local status = get('status')
  if status == '' or is_terminal(status) then
    drop_work_item(pool, id)
  elseif halted and status ~= CANCELING and get('prompt_id') == '' then
    redis.call('RPUSH', first_key(pool), id)
  elseif take(id) then
    return {'ok', snapshot()}
  end
end
if halted then return {'halted'} end
for _ = 1, MOST_LOOKED_AT do
  local candidate, why, detail = choose(pool, ask)
  if candidate then
    if take_waiting(candidate) then return {'ok', snapshot()} end
  elseif why == 'unknown' then
    return with_requests(detail)
  elseif why == 'again' then
    return {why, detail}
  else
    -- Whoever it is left to may be asleep.
    if why == 'left' then wake_worker(pool) end
    return {why, next_return(pool)}
  end
end
return {'again', ask.from}
