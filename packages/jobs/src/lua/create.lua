--[[
Creates the jobs of orders, each with its record, its sequence and its work item, so that every durable job is queued. An
order is created as a whole or not at all. An order without jobs only asks whether it was created before.

Input:
  KEYS[1] any key
  `ended_life`: how long an ended record lives, in ms
  ARGV[3…] orders as JSON, see callers/new-order.ts

Output:
  JSON, which Node parses far faster than nested lists; for each order a verdict:
  'made', also if the same ids were sent before, or 'replayed' if the order was created under its Idempotency-Key, with the
  ids and, for a single job, its snapshot;
  'aliased' if a job of the key already has the alias, with its id and snapshot;
  'new' for an order without jobs that was not created before;
  'unstored' if neither Redis nor the order has the source of a workflow;
  or the reason for refusing the order: 'full', 'key_full', 'diverse', 'large', 'reused' or 'gone'
]]
--- @include "constants"
--- @include "scheduling/waiting"
--- @include "shared/events"
--- @include "shared/snapshot"
--- @include "shared/life"
--- @include "shared/job-bytes"
--- @include "shared/job-index"
--- @include "queue/work-items"

-- How long the API has to copy the outputs of an equal job, before the new job is rendered.
local COPYING_MS = 30000
-- Roughly what Redis stores for an Idempotency-Key, besides its value.
local REMEMBERED_BYTES = 200

local now, day, order, caller = now_ms(), today()
-- Remembers an Idempotency-Key in the newer of two hashes of the API key. Entries stay when their jobs are deleted, so their
-- bytes are limited: a hash that has become too old, or holds an eighth of the key's bytes, replaces the older one.
local function remember(key, digest, made, life, key_bytes)
  local newer, older = idempotency_key(key, 'newer'), idempotency_key(key, 'older')
  local bytes = redis.call('HINCRBY', newer, ':bytes', #made + REMEMBERED_BYTES)
  if now - (redis.call('HGET', newer, ':since') or now) >= life or bytes > key_bytes / 8 then
    redis.call('RENAME', newer, older)
    redis.call('HSET', newer, ':bytes', #made + REMEMBERED_BYTES)
  end
  redis.call('HSETNX', newer, ':since', now)
  redis.call('HSET', newer, digest, made)
  for _, hash in ipairs({newer, older}) do redis.call('PEXPIRE', hash, life) end
end
-- Answers with jobs as they are now.
local function answer(verdict, ids)
  if #ids > 1 then return {verdict, ids} end
  id, record = ids[1], job_key(ids[1])
  return {verdict, ids, snapshot()}
end
local function lacks_source()
  for _, named in ipairs(order.versions) do
    if not order.sources[named[1]] and redis.call('EXISTS', version_key(named[1])) == 0 then return true end
  end
end
local function count_open()
  local open = 0
  for _, pool in ipairs(redis.call('SMEMBERS', pools_key())) do open = open + redis.call('ZCARD', open_key(pool)) end
  return open
end
-- Whether the key would have jobs in too many affinity queues.
local function is_too_diverse()
  local queues, is_added = {}, {}
  for _, job in ipairs(order.jobs) do
    local known, queue = affinity_queues_key(job.pool, caller), queue_of(caller, job.level * LEVEL, job.affinity)
    if not is_added[queue] and not redis.call('ZSCORE', known, queue) then
      is_added[queue] = true
      queues[known] = (queues[known] or redis.call('ZCARD', known)) + 1
      if queues[known] > MOST_AFFINITY_QUEUES then return true end
    end
  end
end
local function refusal()
  local waiting = tonumber(redis.call('HGET', callers_key(), caller) or 0) + #order.jobs
  -- Each key has a reserved number of waiting jobs, even if other keys fill up the rest.
  if waiting > order.reserved and count_open() + #order.jobs > order.most_open then return 'full' end
  if order.most_waiting and waiting > order.most_waiting then return 'key_full' end
  if is_too_diverse() then return 'diverse' end
  local held = tonumber(redis.call('HGET', job_bytes_key(caller), 'total') or 0)
  if held + order.bytes > order.most_bytes then return 'large' end
end
-- The key's job with this alias or id. A job that was hidden from its list gives up its alias.
local function job_by_alias(alias)
  local known = redis.call('GET', alias_key(caller, alias)) or alias
  local key, origin = unpack(redis.call('HMGET', job_key(known), 'key', 'origin'))
  return key == caller and (not origin or redis.call('ZSCORE', listed_of_key(caller), known)) and known
end
-- The key's job with this digest that has succeeded, see reuseOf in record/request-keys.ts.
local function find_reusable(digest)
  local known = redis.call('GET', reuse_key(caller, digest))
  return known and redis.call('EXISTS', job_key(known)) == 1 and known
end
local function write(job)
  local pool, signature, key = job.pool, job.signature, job_key(job.id)
  local sequence = next_sequence(pool, caller, job.level)
  local deadline = string.format('%d', now + job.start_within)
  redis.call('HSET', key, 'id', job.id, 'pool', pool, 'sequence', sequence, 'status', QUEUED, 'phase', WAITING,
    'created_at', now, 'start_deadline', deadline, 'signature', signature, 'affinity', job.affinity,
    'key', caller, 'workflow', job.workflow, unpack(job.fields))
  local first = job.reuse and find_reusable(job.reuse)
  if first then
    redis.call('HINCRBY', schedule_key(pool), 'removed ' .. caller, 1)
    redis.call('HINCRBY', callers_key(), caller, 1)
  else
    join_waiting(pool, job.id, caller, sequence, signature, job.affinity, order.most_taken)
    redis.call('HSETNX', affinity_models_key(pool), job.affinity, job.models)
  end
  redis.call('ZADD', open_key(pool), now, job.id)
  redis.call('ZADD', deadlines_key(), deadline, job.id)
  for _, member in ipairs(index_members(job.id, job.parent, job.workflow)) do
    redis.call('ZADD', jobs_of_key(caller), 0, member)
  end
  hold_bytes(caller, job.id, job.bytes)
  for _, digest in ipairs(job.files or {}) do
    redis.call('SADD', input_uses_key(digest), job.id)
    redis.call('PEXPIRE', input_uses_key(digest), USES_LIFE_MS)
  end
  if job.alias then redis.call('SET', alias_key(caller, job.alias), job.id) end
  if job.graph then redis.call('HSET', texts_key(job.id), 'graph', job.graph) end
  if job.origin then
    redis.call('HSET', texts_key(job.id), 'origin', job.origin)
    redis.call('ZADD', listed_of_key(caller), now, job.id)
  end
  add_work_item(pool, job.id, now, caller, job.workflow, lod_of(signature), PRIORITY)
  if first then
    redis.call('HSET', key, 'reused_from', first)
    delay_work_item(pool, job.id, now + COPYING_MS)
  end
  id = job.id
  publish_status(QUEUED, caller, job.client)
  wake_worker(pool)
  redis.call('SADD', pools_key(), pool)
  redis.call('HINCRBY', totals_key(), job.kind .. ' ' .. lod_of(signature) .. ' created', 1)
end
-- The jobs that were created under the order's Idempotency-Key.
local function repeated()
  local newer, older = idempotency_key(caller, 'newer'), idempotency_key(caller, 'older')
  local known = order.digest and (redis.call('HGET', newer, order.digest) or redis.call('HGET', older, order.digest))
  if not known then return end
  local at, fingerprint, ids = string.match(known, '^(%d+) (%S+) (.*)$')
  if now - at >= order.remember then return end
  if fingerprint ~= order.fingerprint then return {'reused'} end
  local list, found = {}, 0
  for made in string.gmatch(ids, '[^,]+') do
    list[#list + 1] = made
    found = found + redis.call('EXISTS', job_key(made))
  end
  if found == 0 then return {'gone'} end
  -- A process may send an order twice if it loses its connection.
  local again = order.jobs[1] and order.jobs[1].id == list[1]
  return answer(again and 'made' or 'replayed', list)
end
local function make()
  local ids = {}
  for n, job in ipairs(order.jobs) do ids[n] = job.id end
  if redis.call('EXISTS', job_key(ids[1])) == 1 then return answer('made', ids) end
  for _, job in ipairs(order.jobs) do
    local known = job.alias and job_by_alias(job.alias)
    if known then return answer('aliased', {known}) end
  end
  local refused = refusal()
  if refused then return {refused} end
  for version, source in pairs(order.sources) do
    redis.call('SET', version_key(version), source, 'PX', UNUSED_SOURCE_LIFE_MS, 'NX')
  end
  for _, job in ipairs(order.jobs) do write(job) end
  for _, named in ipairs(order.versions) do
    local version, wait = unpack(named)
    outlive_version(version, wait + ended_life + INDEX_EXTRA_MS)
  end
  for _, index in ipairs({jobs_of_key(caller), listed_of_key(caller), job_bytes_key(caller)}) do
    outlive(index, ended_life + INDEX_EXTRA_MS)
  end
  if order.most_gpu_ms then redis.call('HSET', gpu_limits_key(), caller, order.most_gpu_ms)
  else redis.call('HDEL', gpu_limits_key(), caller) end
  redis.call('HINCRBY', usage_key(caller, day), 'jobs', #ids)
  redis.call('PEXPIRE', usage_key(caller, day), USAGE_LIFE_MS)
  if order.digest then
    local made = now .. ' ' .. order.fingerprint .. ' ' .. table.concat(ids, ',')
    remember(caller, order.digest, made, order.remember, order.most_bytes)
  end
  return answer('made', ids)
end
local replies = {}
for n = 3, #ARGV do
  order = cjson.decode(ARGV[n])
  caller = order.caller
  replies[#replies + 1] = lacks_source() and {'unstored'} or repeated() or #order.jobs == 0 and {'new'} or make()
end
return cjson.encode(replies)
