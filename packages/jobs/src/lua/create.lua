--[[
Creates the jobs of several orders, each with its record, its sequence and its work item, so that every durable job is
queued. An order is created as a whole or not at all. An order without jobs only asks whether it was created before.

Input:
  KEYS[1] any key
  `ended_life`: how long an ended record lives, in ms
  ARGV[3…] for each order: its head (see callers/new-order.ts) as JSON, the sources that it brings along, and for each
      of its jobs the fields and values of the record and the origin, if it has one

Output:
  JSON, which Node parses far faster than nested lists; for each order a verdict:
  'made' with the ids of the jobs, and the creation time, start deadline and queue place of the last one;
  'again' (the same ids were sent before; nothing changes) or 'replayed', with the ids and, for a single job, its snapshot;
  'aliased' if a job of the key already has the alias, with its id and snapshot;
  'new' for an order without jobs that was not created before;
  or the reason for refusing the order: 'full', 'key_full', 'large', 'reused', 'gone', or 'unstored' with the versions of
  workflows whose sources are missing
]]
--- @include "constants"
--- @include "scheduling/waiting"
--- @include "shared/events"
--- @include "shared/snapshot"
--- @include "shared/life"
--- @include "shared/job-bytes"
--- @include "shared/remember"
--- @include "queue/work-items"

-- How long the API has to copy the outputs of an equal job, before the new job is rendered.
local COPYING_MS = 30000
-- How many affinity keys keep their models once no job waits with them. Each size of a graph has an affinity key of its own.
local MOST_AFFINITIES_KNOWN = 2000
-- How many are checked for removal when there are more.
local SAMPLED = 10

local cursor = 3
local function take()
  local value = ARGV[cursor]
  cursor = cursor + 1
  return value
end
local function read_order()
  local order = cjson.decode(take())
  order.sources = {}
  for _, version in ipairs(order.sent or {}) do order.sources[version] = take() end
  for _, job in ipairs(order.jobs) do
    job.first, job.last = cursor, cursor + job.fields - 1
    cursor = cursor + job.fields
    if job.has_origin then job.origin = take() end
  end
  return order
end
-- Answers with jobs that exist already, as they are now.
local function answer(verdict, ids)
  if #ids > 1 then return {verdict, ids} end
  id, record = ids[1], job_key(ids[1])
  return {verdict, ids, snapshot()}
end
local function ids_of(order)
  local ids = {}
  for n, job in ipairs(order.jobs) do ids[n] = job.id end
  return ids
end
-- Read once for all orders.
local now, day, open_jobs = now_ms(), today(), 0
for _, pool in ipairs(redis.call('SMEMBERS', pools_key())) do
  open_jobs = open_jobs + redis.call('ZCARD', open_key(pool))
end
local pools, made_by, totals = {}, {}, {}
-- By version: whether its source exists, whether this script stored it, and how long the created jobs may wait with it.
local stored, is_new, awaited = {}, {}, {}
-- The versions whose sources neither Redis nor the order has.
local function missing_versions(order)
  local versions = {}
  for _, named in ipairs(order.versions) do
    local version = named[1]
    if not order.sources[version] then
      if stored[version] == nil then stored[version] = redis.call('EXISTS', version_key(version)) == 1 end
      if not stored[version] then versions[#versions + 1] = version end
    end
  end
  return versions
end
-- Called only when the order is created: a refused order must leave nothing behind.
local function store_source(version, source)
  if source and redis.call('SET', version_key(version), source, 'PX', UNUSED_SOURCE_LIFE_MS, 'NX') then
    is_new[version] = true
  end
  stored[version] = true
end
local function refusal(order)
  local waiting = tonumber(redis.call('HGET', waiting_key(), order.caller) or 0) + #order.jobs
  -- Each key has a reserved number of waiting jobs, even if other keys fill up the rest.
  if open_jobs + #order.jobs > order.most_open and waiting > order.reserved then return 'full' end
  if order.most_waiting and waiting > order.most_waiting then return 'key_full' end
  local held = tonumber(redis.call('HGET', job_bytes_key(order.caller), 'total') or 0)
  if held + order.bytes > order.most_bytes then return 'large' end
end
-- The key's job with this alias or id. A job that was hidden from its list gives up its alias.
local function job_by_alias(caller, alias)
  local known = redis.call('GET', alias_key(caller, alias)) or alias
  local key, hidden = unpack(redis.call('HMGET', job_key(known), 'key', 'hidden'))
  return key == caller and not hidden and known
end
local function record_models(pool, affinity, models)
  local known = affinity_models_key(pool)
  redis.call('HSET', known, affinity, models)
  if redis.call('HLEN', known) <= MOST_AFFINITIES_KNOWN then return end
  for _, other in ipairs(redis.call('HRANDFIELD', known, SAMPLED)) do
    if redis.call('HEXISTS', affinities_key(pool), other) == 0 then redis.call('HDEL', known, other) end
  end
end
-- The key's job with this digest that has succeeded, see reuseOf in record/request-keys.ts.
local function find_reusable(caller, digest)
  local known = redis.call('GET', reuse_key(caller, digest))
  return known and redis.call('EXISTS', job_key(known)) == 1 and known
end
local function write(job, caller, most_taken)
  local pool, signature, key = job.pool, job.signature, job_key(job.id)
  local sequence = next_sequence(pool, caller, job.level)
  local deadline = string.format('%d', now + job.start_within)
  redis.call('HSET', key, 'id', job.id, 'pool', pool, 'sequence', sequence, 'status', QUEUED, 'phase', WAITING,
    'created_at', now, 'start_deadline', deadline, 'signature', signature, 'affinity', job.affinity,
    'key', caller, 'workflow', job.workflow, unpack(ARGV, job.first, job.last))
  local first = job.reuse and find_reusable(caller, job.reuse)
  if first then redis.call('HINCRBY', schedule_key(pool), 'removed ' .. caller, 1) end
  if first or join_waiting(pool, job.id, caller, sequence, signature, job.affinity, most_taken) == 1 then
    record_models(pool, job.affinity, job.models)
  end
  join_lod_backlog(job.id, pool, signature, now)
  redis.call('ZADD', open_key(pool), now, job.id)
  redis.call('ZADD', deadlines_key(), deadline, job.id)
  redis.call('ZADD', jobs_of_key(caller), 0, job.id)
  redis.call('ZADD', jobs_by_workflow_key(caller), 0, job.workflow .. '|' .. job.id)
  hold_bytes(caller, job.id, job.bytes, job.graph)
  -- A source that a workflow with the same text stored must not be deleted with the jobs of this graph.
  if job.graph and (is_new[job.graph] or redis.call('EXISTS', graph_jobs_key(job.graph)) == 1) then
    redis.call('SADD', graph_jobs_key(job.graph), job.id)
  end
  if job.parent then
    local siblings = children_of_key(caller, job.parent)
    redis.call('ZADD', siblings, 0, job.id)
    outlive(siblings, ended_life + INDEX_EXTRA_MS)
  end
  for _, digest in ipairs(job.files or {}) do
    redis.call('SADD', input_uses_key(digest), job.id)
    redis.call('PEXPIRE', input_uses_key(digest), USES_LIFE_MS)
  end
  if job.alias then redis.call('SET', alias_key(caller, job.alias), job.id) end
  if job.origin then
    redis.call('SET', origin_key(job.id), job.origin)
    redis.call('ZADD', open_of_key(caller), now, job.id)
  end
  add_work_item(pool, job.id, now, caller, job.workflow, lod_of(signature))
  if first then
    redis.call('HSET', key, 'reused_from', first)
    delay_work_item(pool, job.id, now + COPYING_MS)
  end
  id = job.id
  publish_status(QUEUED, caller, job.client)
  pools[pool] = true
  -- The kind is the first of the record's fields.
  local total = ARGV[job.first + 1] .. ' ' .. lod_of(signature) .. ' created'
  totals[total] = (totals[total] or 0) + 1
  return deadline
end
local function make(order, sent_again)
  if order.digest then
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
      -- A process may send an order twice if it loses its connection.
      local again = order.jobs[1] and order.jobs[1].id == list[1]
      return answer(again and 'again' or 'replayed', list)
    end
  end
  if #order.jobs == 0 then return {'new'} end
  local ids = ids_of(order)
  if sent_again then return answer('again', ids) end
  for _, job in ipairs(order.jobs) do
    local known = job.alias and job_by_alias(order.caller, job.alias)
    if known then return answer('aliased', {known}) end
  end
  local refused = refusal(order)
  if refused then return {refused} end
  local caller, deadline = order.caller
  for _, named in ipairs(order.versions) do store_source(named[1], order.sources[named[1]]) end
  for _, job in ipairs(order.jobs) do deadline = write(job, caller, order.most_taken) end
  for _, named in ipairs(order.versions) do
    local version, wait, is_graph = unpack(named)
    -- If a workflow has the same source as a graph, the source must not go with the last job of that graph.
    if not is_graph then
      redis.call('DEL', graph_jobs_key(version))
      is_new[version] = nil
    end
    awaited[version] = math.max(awaited[version] or 0, wait)
  end
  open_jobs = open_jobs + #ids
  made_by[caller] = (made_by[caller] or 0) + #ids
  redis.call('HINCRBY', waiting_key(), caller, #ids)
  if order.digest then
    local made = order.fingerprint .. ' ' .. table.concat(ids, ',')
    remember(caller, order.digest, made, order.remember, order.most_bytes)
  end
  id, record = ids[#ids], job_key(ids[#ids])
  return {'made', ids, now, deadline, place_in_queue()}
end
local replies = {}
while cursor <= #ARGV do
  local order = read_order()
  local unstored = missing_versions(order)
  local sent_again = #order.jobs > 0 and redis.call('EXISTS', job_key(order.jobs[1].id)) == 1
  replies[#replies + 1] = #unstored > 0 and {'unstored', unstored} or make(order, sent_again)
end
for version, wait in pairs(awaited) do outlive_version(version, wait + ended_life + INDEX_EXTRA_MS) end
for pool in pairs(pools) do
  redis.call('SADD', pools_key(), pool)
  wake_worker(pool)
end
for total, jobs in pairs(totals) do redis.call('HINCRBY', totals_key(), total, jobs) end
for caller, jobs in pairs(made_by) do
  redis.call('SADD', callers_key(), caller)
  outlive(jobs_of_key(caller), ended_life + INDEX_EXTRA_MS)
  outlive(jobs_by_workflow_key(caller), ended_life + INDEX_EXTRA_MS)
  outlive(job_bytes_key(caller), ended_life + INDEX_EXTRA_MS)
  redis.call('HINCRBY', usage_key(caller, day), 'jobs', jobs)
  redis.call('PEXPIRE', usage_key(caller, day), USAGE_LIFE_MS)
end
return cjson.encode(replies)
