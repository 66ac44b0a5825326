--[[
Reads the jobs that an instance may get: returned jobs, then the keys in the order of their virtual times, each with the
affinity queues that the instance can run. Reading stops when there are enough jobs whose models the instance holds (unless
`reads_all`), or when the next key is not near the first one. First, work items whose delay is over or whose worker died
are requeued.

Input:
  KEYS[1] any key
  `pool`; `wanted`: how many jobs; `near_ms`, see nearMs in scheduling/choose.ts; `max_overtakes`
  `encoding`: what the last prompt of the instance encoded, if that may change the order
  `instance`
  `from`: how many keys were read before; `reads_all`
  `worker_clock`: the worker's time (ms since 1970), by which delays of work items end

Output:
  JSON, see NearReply in scheduling/snapshot.ts
]]
--- @include "scheduling/waiting"
--- @include "shared/kills"
--- @include "queue/work-items"
--- @include "queue/returned"

local MOST_KEYS = 32
-- Maximum number of queues of a key whose jobs are read.
local MOST_READ = 16
local MOST_CANDIDATES = 64
local MOST_JOBS = 16

local pool, instance, wanted = args.pool, args.instance, args.wanted
local candidates, held = 0, 0
local expected = {}

local function read_job(job_id, sequence, key, affinity)
  -- pcall, because a record that was replaced by hand must not block all claims.
  local fields = redis.pcall('HMGET', job_key(job_id), 'signature', 'weight', 'most_taken', 'faults', 'wanted_by',
    'encoding', 'start_deadline')
  local signature = fields[1]
  if not signature then
    leave_queue(pool, job_id, key, sequence, '', affinity)
    return nil
  end
  -- An overdue job leaves its queue at once, so that it delays no other job until a sweep expires it.
  id, record = job_id, job_key(job_id)
  if tonumber(fields[7] or nil) and tonumber(fields[7]) <= tonumber(now_ms()) and is_overdue() then
    leave_queue(pool, job_id, key, sequence, signature, affinity)
    return nil
  end
  expected[signature] = expected[signature] or expected_ms(pool, signature)
  return {id = job_id, sequence = tonumber(sequence), expectedMs = expected[signature], weight = tonumber(fields[2] or 1),
    mostTaken = tonumber(fields[3] or nil), faults = fields[4] or nil, wantedBy = fields[5] or nil,
    encoding = fields[6] or nil}
end
-- Whether another instance has encoded, or will encode, the texts of a job ahead; see workers/encode-ahead.ts.
local function is_elsewhere(encoding)
  return encoding and encoding ~= args.encoding and string.sub(encoding, 1, 1) == '@'
end
-- The first job from this place on that encodes the same as the last prompt of the instance, and its sequence. If there is
-- none, and with `or_here`, the first job that is not encoded elsewhere.
local function find_encoded(waiting, from, or_here)
  local here
  for _, job_id in ipairs(redis.call('ZRANGE', waiting, from, MOST_JOBS - 1)) do
    local encoding = redis.call('HGET', job_key(job_id), 'encoding')
    if encoding == args.encoding then return job_id, redis.call('ZSCORE', waiting, job_id) end
    if or_here and not is_elsewhere(encoding) then here = here or job_id end
  end
  return here, here and redis.call('ZSCORE', waiting, here)
end
-- Returns whether the queue has jobs.
local function read_queue(queue, key)
  local most = args.reads_all and MOST_JOBS or wanted - held
  local waiting = affinity_queue_key(pool, queue.name)
  local found = redis.call('ZRANGE', waiting, 0, most - 1, 'WITHSCORES')
  local is_encoded = false
  queue.jobs = {}
  for n = 1, #found, 2 do
    local job = read_job(found[n], found[n + 1], key, queue.affinity)
    queue.jobs[#queue.jobs + 1] = job
    if job and job.encoding == args.encoding then is_encoded = true end
  end
  if not queue.jobs[1] then return false end
  local or_here = is_elsewhere(queue.jobs[1].encoding)
  -- Only for the first queue without loading, since each job costs Redis a microsecond.
  if (args.encoding or or_here) and queue.loadMs == 0 and held == 0 and not is_encoded then
    local encoded, sequence = find_encoded(waiting, most, or_here)
    if encoded then queue.jobs[#queue.jobs + 1] = read_job(encoded, sequence, key, queue.affinity) end
  end
  if queue.loadMs ~= 0 or (args.encoding or or_here) and queue.jobs[2] then
    queue.passedOverAt = tonumber(redis.call('HGET', schedule_key(pool), 'passed ' .. queue.name) or nil)
  end
  candidates = candidates + 1
  return true
end
-- The queues of a key except those that the instance cannot run and those that are held back.
local function queues_of(key)
  local found = redis.call('ZRANGE', affinity_queues_key(pool, key), 0, -1, 'WITHSCORES')
  local places, affinities, able = {}, {}, {}
  local held_back = are_graphs_held_back(key)
  for n = 1, #found, 2 do
    if not (held_back and is_queue_of_graphs(found[n])) then
      places[#places + 1], affinities[#affinities + 1] = n, string.match(found[n], '^%d+|([^|]*)|')
    end
  end
  local loads = #affinities > 0 and redis.call('HMGET', fits_key(instance), unpack(affinities)) or {}
  for n, place in ipairs(places) do
    local load_ms = tonumber(loads[n] or nil)
    if not load_ms or load_ms >= 0 then
      able[#able + 1] = {name = found[place], sequence = tonumber(found[place + 1]), affinity = affinities[n], loadMs = load_ms}
    end
  end
  return able
end
-- Also returns whether the instance is known to be able to run one of the queues.
local function read_key(key, virtual_time, lift)
  local read, oldest, is_held, is_able = {}, nil, false, false
  local removed = tonumber(redis.call('HGET', schedule_key(pool), 'removed ' .. key) or 0)
  for _, queue in ipairs(queues_of(key)) do
    if (not is_held or args.reads_all) and #read < MOST_READ then
      if read_queue(queue, key) then
        read[#read + 1] = queue
        is_held = is_held or queue.loadMs == 0
        is_able = is_able or queue.loadMs
      end
    elseif not oldest or queue.sequence % LEVEL < oldest.sequence % LEVEL then
      oldest = queue
    end
  end
  local may_be_overtaken = oldest and removed - oldest.sequence % LEVEL >= args.max_overtakes
  if may_be_overtaken and read_queue(oldest, key) then read[#read + 1] = oldest end
  -- Keys that come after a lifted one may be served before it.
  if is_held and not args.reads_all and lift == 0 then held = held + 1 end
  local in_work = read[1] and read[1].jobs[1].mostTaken and redis.call('SCARD', taken_of_key(key)) or 0
  return {name = key, time = exact(virtual_time + lift), inWorkMs = in_work_ms(pool, key), removed = removed, inWork = in_work,
    queues = read}, is_able
end

if args.from == 0 then requeue_returned(pool, args.worker_clock) end
local reply = {now = tonumber(now_ms()), paused = is_paused(pool), returned = {}, keys = {}}
if args.from == 0 then reply.returned = read_returned(pool) end
if not reply.paused then
  local latest, position = nil, args.from
  for _ = 1, MOST_KEYS do
    local key, virtual_time = unpack(redis.call('ZRANGE', keys_to_serve_key(pool), position, position, 'WITHSCORES'))
    reply.next = key and position
    if not key or latest and tonumber(virtual_time) > latest then break end
    local lift = read_lift(pool, key, instance)
    local found, is_able = read_key(key, virtual_time, lift)
    -- If all jobs of the key were overdue, it is no longer in the list, and the next key has its position.
    if redis.call('ZSCORE', keys_to_serve_key(pool), key) then position = position + 1 end
    reply.keys[#reply.keys + 1], reply.next = found, position
    if is_able then latest = math.min(latest or math.huge, virtual_time + lift + args.near_ms) end
    if held >= wanted or candidates >= MOST_CANDIDATES then break end
  end
  reply.isCut = held >= wanted
  if candidates > held then
    reply.loadedAt = tonumber(redis.call('HGET', schedule_key(pool), 'loaded ' .. instance) or nil)
  end
end
reply.returnsAt = next_return(pool)
return cjson.encode(reply)
