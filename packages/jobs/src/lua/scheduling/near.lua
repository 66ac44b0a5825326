--[[
Reads the jobs that an instance may get: returned jobs first, then the keys in the order of their virtual times, each with
the affinity queues that the instance can run. It stops when it has enough jobs whose models the instance holds (unless
`reads_all`), or when the next key is further away than the patience. Before that it puts work items back whose delay is
over or whose worker died.

Input:
  KEYS[1] any key
  `pool`, `token` of the claim, `patience_ms`, `max_overtakes`
  `instance`; nil: one that can run everything and holds all models
  `others`: instances to which it leaves jobs because it is occupied; nil: it is not
  `from`: keys that were read before, `reads_all`
  `worker_clock`, ms since 1970: it says whether the delay of a work item is over

Output:
  JSON, see NearReply in scheduling/snapshot.ts
]]
--- @include "scheduling/waiting"
--- @include "shared/halted"
--- @include "queue/take"

local MOST_RETURNED_READ = 50
local MOST_KEYS = 32
-- Of a key: queues of which it is looked up whether the instance can run them, in one page; pages of all keys; queues of
-- which jobs are read.
local MOST_QUEUES = 256
local MOST_PAGES = 16
local MOST_READ = 16
-- More queues than fit into a page hide old jobs of low levels: of each later level so many of the oldest are looked at.
local OLDEST_OF_LEVEL = 16
local MOST_CANDIDATES = 64
-- Queues of which it is not known whether the instance can run them, in one reply.
local MOST_UNKNOWN = 16
local MOST_JOBS = 16
local MOST_INSTANCES = 256
local MOST_AFFINITIES = 1000
-- An asker that read this long ago and took nothing counts no more.
local ASKER_LIFE_US = 1000000

local pool, instance, others = args.pool, args.instance, args.others or {}

-- A job goes back to its place among those that wait, or before all others if it may have a prompt in a ComfyUI.
local function requeue(job_id)
  id, record = job_id, job_key(job_id)
  local status, phase = get('status'), get('phase')
  if status == '' or is_terminal(status) then return drop_work_item(pool, job_id) end
  if phase ~= WAITING or status ~= QUEUED or get('prompt_id') ~= '' then
    redis.call('RPUSH', first_key(pool), job_id)
  else
    return_to_waiting()
  end
end
local function read_returned()
  local returned = {}
  for _, job_id in ipairs(redis.call('LRANGE', first_key(pool), 0, MOST_RETURNED_READ - 1)) do
    local status, prompt_id = unpack(redis.call('HMGET', job_key(job_id), 'status', 'prompt_id'))
    returned[#returned + 1] = {id = job_id, begun = status == CANCELING or (prompt_id or '') ~= ''}
  end
  return returned
end

-- Askers that have read these queues and have not taken a job yet.
local function count_rivals()
  if redis.call('EXISTS', choosing_key(pool)) == 0 then return 0 end
  local time = redis.call('TIME')
  redis.set_repl(redis.REPL_NONE)
  redis.call('ZREMRANGEBYSCORE', choosing_key(pool), '-inf', time[1] * 1e6 + time[2] - ASKER_LIFE_US)
  redis.set_repl(redis.REPL_ALL)
  return redis.call('ZCARD', choosing_key(pool)) - (redis.call('ZSCORE', choosing_key(pool), args.token) and 1 or 0)
end
-- Kept out of the append-only file: nothing is lost with it, and each read would wait for the disk.
local function note_asker()
  local time = redis.call('TIME')
  redis.set_repl(redis.REPL_NONE)
  redis.call('ZADD', choosing_key(pool), 'NX', string.format('%.0f', time[1] * 1e6 + time[2]), args.token)
  redis.set_repl(redis.REPL_ALL)
end

-- Each of the rivals may take what this asker chooses, and one more job before this one takes its own.
local wanted = math.min(2 * count_rivals() + 1, MOST_JOBS)
local pages, unknown, candidates, held = 0, 0, 0, 0
local expected = {}

local function read_job(job_id, sequence, key, affinity)
  -- A record that was deleted or replaced by hand must not stop all claims.
  local fields = redis.pcall('HMGET', job_key(job_id), 'signature', 'weight', 'most_taken', 'faults', 'wanted_by')
  local signature = fields[1]
  if not signature then
    leave_queue(pool, job_id, key, sequence, '', affinity)
    return nil
  end
  expected[signature] = expected[signature] or expected_ms(pool, signature)
  return {id = job_id, sequence = sequence, expected_ms = expected[signature], weight = fields[2] or nil,
    most_taken = fields[3] or nil, faults = fields[4] or nil, wanted_by = fields[5] or nil}
end
-- The first jobs of a queue: as many as may be taken of it, those that failed on this instance not counted.
local function read_jobs(queue, key, affinity)
  local jobs, fresh = {}, 0
  local mark = '"instance":"' .. (instance or '') .. '"'
  while fresh < wanted - held and #jobs < MOST_JOBS do
    local job_id, sequence = unpack(redis.call('ZRANGE', queue, #jobs, #jobs, 'WITHSCORES'))
    if not job_id then break end
    local job = read_job(job_id, sequence, key, affinity)
    if job then
      jobs[#jobs + 1] = job
      if not string.find(job.faults or '', mark, 1, true) then fresh = fresh + 1 end
    end
  end
  return jobs, fresh > 0
end
local left_to = {}
-- Of the instances to which an occupied one leaves jobs, those that can run it as far as is known.
local function others_able(affinity)
  if #others == 0 then return nil end
  if not left_to[affinity] then
    left_to[affinity] = {}
    for _, other in ipairs(others) do
      if tonumber(redis.call('HGET', fits_key(other), affinity) or 0) >= 0 then
        table.insert(left_to[affinity], other)
      end
    end
  end
  return left_to[affinity]
end

local function page_of(key, from)
  local queues = affinity_queues_key(pool, key)
  local page = redis.call('ZRANGE', queues, from, from + MOST_QUEUES - 1, 'WITHSCORES')
  local is_full, last = #page == 2 * MOST_QUEUES, page[#page]
  while is_full and last do
    local next_level = string.format('%.0f', (math.floor(last / LEVEL) + 1) * LEVEL)
    local found = redis.call('ZRANGEBYSCORE', queues, next_level, '+inf', 'WITHSCORES', 'LIMIT', 0, OLDEST_OF_LEVEL)
    for _, value in ipairs(found) do page[#page + 1] = value end
    last = found[#found]
  end
  return page, is_full
end
-- Queues that the instance can run, or may be able to.
local function queues_of_page(page)
  local queues, affinities, able = {}, {}, {}
  for n = 1, #page, 2 do
    local affinity = string.match(page[n], '^%d+|([^|]*)|')
    queues[#queues + 1] = {name = page[n], sequence = tonumber(page[n + 1]), affinity = affinity}
    affinities[#affinities + 1] = affinity
  end
  local loads = instance and #affinities > 0 and redis.call('HMGET', fits_key(instance), unpack(affinities)) or {}
  for n, queue in ipairs(queues) do
    queue.load_ms = not instance and 0 or tonumber(loads[n] or nil)
    if not queue.load_ms or queue.load_ms >= 0 then able[#able + 1] = queue end
  end
  return able
end
local function read_queue(queue, key)
  local jobs, has_fresh = read_jobs(affinity_queue_key(pool, queue.name), key, queue.affinity)
  if not jobs[1] then return false end
  queue.jobs, queue.left_to = jobs, others_able(queue.affinity)
  queue.passed_over_at = queue.load_ms ~= 0 and redis.call('ZSCORE', passed_over_key(pool), queue.name) or nil
  if not queue.load_ms then
    unknown = unknown + 1
    queue.request = redis.call('HGET', job_key(jobs[1].id), 'request') or nil
  end
  candidates = candidates + 1
  return true, queue.load_ms == 0 and has_fresh
end
local function read_key(key, time)
  local read, oldest, from, is_held = {}, nil, 0, false
  local removed = tonumber(redis.call('HGET', removals_key(pool), key) or 0)
  repeat
    local page, is_full = page_of(key, from)
    for _, queue in ipairs(queues_of_page(page)) do
      if (not is_held or args.reads_all) and unknown < MOST_UNKNOWN and #read < MOST_READ then
        local has_jobs, holds_models = read_queue(queue, key)
        if has_jobs then read[#read + 1] = queue end
        is_held = is_held or holds_models
      elseif not oldest or queue.sequence % LEVEL < oldest.sequence % LEVEL then
        oldest = queue
      end
    end
    pages, from = pages + 1, from + MOST_QUEUES
  until read[1] or not is_full or pages >= MOST_PAGES
  local may_be_overtaken = oldest and removed - oldest.sequence % LEVEL >= args.max_overtakes
  if may_be_overtaken and read_queue(oldest, key) then read[#read + 1] = oldest end
  if is_held and not args.reads_all then held = held + 1 end
  return {name = key, time = time, removed = removed,
    in_work = redis.call('SCARD', taken_of_key(key)), queues = read}
end

-- Waiting jobs by the models that they need, and all of them; when there are very many affinity keys none are counted.
local function count_by_models()
  local models_of, jobs, all, affinities = {}, {}, 0, {}
  if redis.call('HLEN', affinities_key(pool)) > MOST_AFFINITIES then return models_of, jobs, 1 end
  local counts = redis.call('HGETALL', affinities_key(pool))
  for n = 1, #counts, 2 do affinities[#affinities + 1] = counts[n] end
  local models = #affinities > 0 and redis.call('HMGET', affinity_models_key(pool), unpack(affinities)) or {}
  for n, affinity in ipairs(affinities) do
    models_of[affinity] = models[n] and string.match(models[n], '"models":(.*)}$') or affinity
    jobs[models_of[affinity]] = (jobs[models_of[affinity]] or 0) + counts[2 * n]
    all = all + counts[2 * n]
  end
  return models_of, jobs, math.max(1, all)
end
-- How many jobs wait for the models of each queue, and how many other instances hold them. Answers how many instances
-- there are whose worker reports what they hold, and how many jobs wait.
local function add_demand(keys)
  local models_of, jobs, all = count_by_models()
  local affinities, holders, live = {}, {}, 0
  for _, key in ipairs(keys) do
    for _, queue in ipairs(key.queues) do
      if not holders[queue.affinity] then
        holders[queue.affinity] = 0
        affinities[#affinities + 1] = queue.affinity
      end
    end
  end
  if not affinities[1] then return 0, all end
  for _, other in ipairs(redis.call('HKEYS', able_key(pool))) do
    -- Those that were there within a day may be many more.
    if live == MOST_INSTANCES then break end
    if redis.call('EXISTS', fits_key(other)) == 1 then
      live = live + 1
      local loads = other == instance and {} or redis.call('HMGET', fits_key(other), unpack(affinities))
      for n, affinity in ipairs(affinities) do
        if loads[n] == '0' then holders[affinity] = holders[affinity] + 1 end
      end
    end
  end
  for _, key in ipairs(keys) do
    for _, queue in ipairs(key.queues) do
      queue.holders = holders[queue.affinity]
      queue.waiting = jobs[models_of[queue.affinity] or queue.affinity] or 1
    end
  end
  return live, all
end

if args.from == 0 then
  for _, job_id in ipairs(returned_work_items(pool, args.worker_clock)) do requeue(job_id) end
end
local reply = {now = now_ms(), paused = is_halted(pool), returned = {}, keys = {}, wanted = wanted}
if args.from == 0 then reply.returned = read_returned() end
if not reply.paused then
  local entries = redis.call('ZRANGE', turns_key(pool), args.from, args.from + MOST_KEYS - 1, 'WITHSCORES')
  local latest
  for n = 1, #entries, 2 do
    local key, time = entries[n], entries[n + 1]
    if latest and tonumber(time) > latest then break end
    local held_before = held
    local found = read_key(key, time)
    local queue = found.queues[1]
    if queue and is_at_limit(key, queue.jobs[1].most_taken) then
      hold_back(pool, key)
      held = held_before
    else
      if not latest and queue then latest = time + args.patience_ms end
      reply.keys[#reply.keys + 1] = found
    end
    if held >= wanted or unknown >= MOST_UNKNOWN or candidates >= MOST_CANDIDATES then break end
  end
  local read = args.from + #reply.keys
  if redis.call('ZCARD', turns_key(pool)) > read then reply.next = read end
  reply.is_cut = held >= wanted
  if candidates > 0 then
    note_asker()
    reply.loaded_at = redis.call('HGET', loaded_key(pool), instance or '') or nil
    if instance and held < wanted then reply.instances, reply.waiting = add_demand(reply.keys) end
  end
end
reply.returns_at = next_return(pool)
return cjson.encode(reply)
