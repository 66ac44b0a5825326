import { LUA_KEYS } from '../keys.js';

/** Events kept per job; a listener that lags further behind reads the record again. */
const EVENTS_KEPT = 100;
const EVENTS_LIFE_RUNNING_MS = 86_400_000;
const EVENTS_LIFE_ENDED_MS = 600_000;
/** Longer than any outage after which somebody still wants that worker's ComfyUI to be tidy. */
const ABANDONED_LIFE_MS = 86_400_000;
/** Parked jobs looked at when some may go on. */
const MOST_UNPARKED = 20;

export const USAGE_LIFE_MS = 100 * 86_400_000;
/**
 * What an ended record lives longer while its webhook is still to come, from the last that was done for that: longer
 * than any outage of the dispatchers. Not for good: a delivery that was removed by hand would leave its record for ever.
 */
export const UNTOLD_EXTRA_MS = 30 * 86_400_000;
/** What an index of jobs lives longer than an ended record: an open job has used up nothing of its lifetime. */
export const INDEX_EXTRA_MS = 2 * 86_400_000;

/** Days since 1970-01-01, UTC. */
export const TODAY = `
local function today()
  return string.format('%d', math.floor(redis.call('TIME')[1] / 86400))
end
`;

/**
 * What every script of one job begins with. KEYS[1] is the record, ARGV is: prefix, job id, ms that an ended record
 * lives, then the script's own. Times are Redis' own, so that one clock dates everything.
 */
export const PRELUDE = `
local P, id, ended_life = ARGV[1], ARGV[2], ARGV[3]
local record = KEYS[1]
${LUA_KEYS}${TODAY}
local function now_ms()
  local time = redis.call('TIME')
  return string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
end
local function get(field) return redis.call('HGET', record, field) or '' end
local function set(...) redis.call('HSET', record, ...) end
local function is_terminal(status)
  return status == 'succeeded' or status == 'failed' or status == 'canceled' or status == 'expired'
end
-- A claim is named by its number and, after a space, by its token: when a claim was lost with the primary that it was
-- made at, the next one has the same number.
local function is_latest(claim)
  local number, token = string.match(claim, '^(%d+) ?(.*)$')
  local latest = redis.call('HMGET', record, 'claim', 'claimed_with')
  return latest[1] == number and (token == '' or latest[2] == token)
end
-- A claim holds the job while it is the latest, has not given the job back, and the job has not ended.
local function held_by(claim)
  local phase = get('phase')
  return is_latest(claim) and phase ~= 'waiting' and phase ~= 'ended'
end
-- Nobody has the job, it never began, it has no submission that may still be found, and its start deadline has passed.
local function is_overdue()
  return get('status') == 'queued' and get('phase') == 'waiting' and get('prompt_id') == '' and get('attempts') == ''
    and tonumber(get('start_deadline')) <= tonumber(now_ms())
end
-- It lives for so many ms from now, or longer if it would have anyway.
local function outlive(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, ms) end
end
-- Whether the callback is to tell of such an end. One that Lua cannot read (a lone surrogate in its URL) is read by whoever
-- delivers it.
local function is_wanted(callback, status)
  local readable, webhook = pcall(cjson.decode, callback)
  if not readable or type(webhook.events) ~= 'table' then return true end
  for _, event in ipairs(webhook.events) do
    if event == 'job.' .. status then return true end
  end
  return false
end
local function emit(event, life)
  local event_id = redis.call('XADD', events_key(id), 'MAXLEN', '~', ${EVENTS_KEPT}, '*', 'event', event)
  redis.call('PEXPIRE', events_key(id), life)
  redis.call('PUBLISH', job_channel(id), event_id .. ' ' .. event)
end
local function emit_status(status)
  emit('{"type":"status","status":"' .. status .. '"}', is_terminal(status) and ${EVENTS_LIFE_ENDED_MS} or ${EVENTS_LIFE_RUNNING_MS})
end
local function emit_progress(progress)
  emit('{"type":"progress","progress":' .. progress .. '}', ${EVENTS_LIFE_RUNNING_MS})
end
-- Its prompt no longer waits behind another one in ComfyUI.
local function leave_line()
  redis.call('ZREM', ahead_key(get('pool')), id)
  redis.call('HDEL', record, 'recalled')
end
local function lod_of(signature) return string.match(signature, '^[^|]+') end
local function count_down(counters, field)
  if redis.call('HINCRBY', counters, field, -1) <= 0 then redis.call('HDEL', counters, field) end
end
-- Counted among what the pool has to do yet, by what it takes.
local function join_lane(job_id, pool, signature, created_at)
  redis.call('ZADD', lane_key(pool, lod_of(signature)), created_at, job_id)
  redis.call('HINCRBY', backlog_key(pool), signature, 1)
end
local function leave_lane(job_id, pool, signature)
  if redis.call('ZREM', lane_key(pool, lod_of(signature)), job_id) == 0 then return false end
  count_down(backlog_key(pool), signature)
  return true
end
local function join_backlog()
  join_lane(id, get('pool'), get('signature'), get('created_at'))
  redis.call('HINCRBY', waiting_of_key(), get('key'), 1)
end
local function leave_backlog()
  local pool, signature = unpack(redis.call('HMGET', record, 'pool', 'signature'))
  local parked = parked_lane_key(pool, lod_of(signature))
  if leave_lane(id, pool, signature) or redis.call('ZREM', parked, id) == 1 then count_down(waiting_of_key(), get('key')) end
end
-- Held back for its key's sake, a job is no reason to have more GPUs, and its waiting nobody's fault.
local function leave_lane_parked()
  local pool, signature = get('pool'), get('signature')
  if leave_lane(id, pool, signature) then redis.call('ZADD', parked_lane_key(pool, lod_of(signature)), get('created_at'), id) end
end
local function rejoin_lane(job_id, pool, signature, created_at)
  if redis.call('ZREM', parked_lane_key(pool, lod_of(signature)), job_id) == 1 then join_lane(job_id, pool, signature, created_at) end
end
-- Lets jobs of the key that were held back be claimed, as many as it has free places: their work items are among BullMQ's
-- delayed ones, whose score is a time in ms · 2^12, and the marker wakes a worker. One that is just being put there stays
-- in the line, to be called by whoever puts it there.
local function call_parked()
  local caller, most_taken = get('key'), tonumber(get('most_taken'))
  if not most_taken then return end
  local free = most_taken - redis.call('SCARD', taken_of_key(caller))
  if free <= 0 then return end
  for _, parked in ipairs(redis.call('ZRANGE', parked_key(caller), 0, ${MOST_UNPARKED} - 1)) do
    local pool, signature, created_at = unpack(redis.call('HMGET', job_key(parked), 'pool', 'signature', 'created_at'))
    local called = pool and redis.call('ZADD', delayed_key(pool), 'XX', 'CH', string.format('%.0f', now_ms() * 4096), parked) == 1
    if called or not pool then redis.call('ZREM', parked_key(caller), parked) end
    if called then
      rejoin_lane(parked, pool, signature, created_at)
      redis.call('ZADD', marker_key(pool), 0, '0')
      free = free - 1
      if free == 0 then return end
    end
  end
end
-- No worker has it any more, or is to have it.
local function leave_taken()
  redis.call('ZREM', parked_key(get('key')), id)
  redis.call('SREM', taken_of_key(get('key')), id)
  call_parked()
end
-- The worker whose instance has the submission on the record, or an empty text.
local function owner()
  return get('prompt_id') ~= '' and string.match(get('instance'), '^(.*)/%d+$') or ''
end
-- Its worker lets go of it, but still has to look after it while it has its submission.
local function leave_hands()
  local worker = get('worker')
  if worker ~= owner() then redis.call('SREM', held_key(worker), id) end
end
-- It may still be in a ComfyUI out of reach, and no job wants it: whoever reaches that again is to stop it.
local function abandon_submission()
  if get('prompt_id') == '' then return end
  redis.call('SADD', abandoned_key(owner()), get('instance') .. ' ' .. get('prompt_id'))
  redis.call('PEXPIRE', abandoned_key(owner()), ${ABANDONED_LIFE_MS})
end
-- Its worker is to look at it: it holds it, or has its submission.
local function call_on(worker)
  if worker ~= '' then redis.call('PUBLISH', worker_channel(worker), id) end
end
-- Takes the current submission off the record.
local function drop_submission()
  leave_line()
  if owner() ~= get('worker') then redis.call('SREM', held_key(owner()), id) end
  redis.call('HDEL', record, 'prompt_id', 'started_prompt', 'started_at', 'progress', 'orphaned_at', 'orphaned_ms')
end
local function begin_running(prompt_id)
  leave_line()
  leave_backlog()
  set('started_at', now_ms(), 'started_prompt', prompt_id)
  redis.call('HINCRBY', record, 'attempts', 1)
  redis.call('ZREM', deadlines_key(), id)
  if get('status') == 'queued' then
    set('status', 'running')
    redis.call('SADD', running_key(get('pool')), id)
    emit_status('running')
  end
end
-- What its key used today: how the job ended, and for how long a GPU worked for it.
local function note_usage(status, gpu_ms)
  local usage = usage_key(get('key'), today())
  redis.call('HINCRBY', usage, status, 1)
  if not gpu_ms and get('started_at') ~= '' then gpu_ms = now_ms() - get('started_at') end
  if gpu_ms then redis.call('HINCRBY', usage, 'gpu_ms', string.format('%d', gpu_ms)) end
  if status == 'succeeded' then
    redis.call('HINCRBY', usage, 'pictures', #cjson.decode(get('images')))
  end
  redis.call('PEXPIRE', usage, ${USAGE_LIFE_MS})
end
-- The one way into a terminal state. ms of execution, if they are known better than by the clock.
local function close_job(status, gpu_ms)
  local pool = get('pool')
  set('status', status, 'finished_at', now_ms(), 'phase', 'ended')
  leave_line()
  leave_backlog()
  leave_taken()
  note_usage(status, gpu_ms)
  local kind, signature = unpack(redis.call('HMGET', record, 'kind', 'signature'))
  redis.call('HINCRBY', totals_key(), kind .. ' ' .. lod_of(signature) .. ' ' .. status, 1)
  redis.call('SREM', held_key(get('worker')), id)
  redis.call('SREM', held_key(owner()), id)
  redis.call('ZREM', open_key(pool), id)
  redis.call('SREM', running_key(pool), id)
  redis.call('ZREM', deadlines_key(), id)
  if redis.call('ZCARD', open_key(pool)) == 0 then redis.call('DEL', ranks_key(pool), backlog_key(pool)) end
  redis.call('DEL', preview_key(id))
  local life, callback = tonumber(ended_life), get('callback')
  if callback ~= '' and is_wanted(callback, status) then
    redis.call('XADD', outbox_key(), '*', 'job', id, 'status', status, 'callback', callback)
    life = life + ${UNTOLD_EXTRA_MS}
  end
  redis.call('PEXPIRE', record, life)
  outlive(jobs_of_key(get('key')), life + ${INDEX_EXTRA_MS})
  emit_status(status)
end
`;

/** Answers the whole record, its place in the queue (-1: none) and the id of its newest event; for scripts' ends. */
export const SNAPSHOT = `
local function jobs_ahead()
  if get('phase') ~= 'waiting' then return -1 end
  local pool = get('pool')
  local given_back = redis.call('LLEN', wait_key(pool))
  local place = redis.call('ZRANK', prioritized_key(pool), id)
  if place then return place + given_back end
  if redis.call('ZSCORE', delayed_key(pool), id) then
    -- Given back for a moment: it keeps its rank. A score is rank · 2^32 + counter.
    local mine = string.format('(%.0f', tonumber(get('rank')) * 4294967296)
    return redis.call('ZCOUNT', prioritized_key(pool), '-inf', mine) + given_back
  end
  local index = given_back > 0 and redis.call('LPOS', wait_key(pool), id)
  return index and given_back - 1 - index or -1
end
local function snapshot()
  local fields = redis.call('HGETALL', record)
  local last = '0-0'
  local newest = redis.call('XREVRANGE', events_key(id), '+', '-', 'COUNT', 1)
  if newest[1] then last = newest[1][1] end
  return {fields, jobs_ahead(), last}
end
`;
