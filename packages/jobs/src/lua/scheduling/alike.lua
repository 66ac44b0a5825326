--[[
Reads the jobs that an instance probably gets next and that need the same models as a job that it got: first those that
its worker has claimed and not submitted, then waiting ones, of each key in turn. Jobs with a comfy.org key are left out.
For a key's own graph, only graphs of the same key are read, and none after one of them has killed an instance, because
then they run one at a time. The mark of the instance becomes the encoding of the waiting jobs: the instance prefers them
from now on, and other instances do not find them here.

Input:
  KEYS[1] the record of the job
  `id` of the job; `worker`; `most`: how many jobs are wanted; `mark` of the instance; `of_key`: only jobs of the same key

Output:
  for each job its id, its key and its request (JSON)
]]
--- @include "scheduling/waiting"
--- @include "shared/kills"
--- @include "queue/work-items"

local MOST_KEYS = 16
local MOST_QUEUES = 64
-- Jobs of a key that are read: other instances may have marked the first ones.
local MOST_JOBS = 32

local pool, key, affinity = unpack(redis.call('HMGET', record, 'pool', 'key', 'affinity'))
local alike = {}

-- Marks begin with `@`; see workers/encode-ahead.ts.
local function is_marked(encoding)
  return encoding and encoding ~= args.mark and string.sub(encoding, 1, 1) == '@'
end
local is_graph = is_queue_of_graphs('0|' .. (affinity or ''))
local of_key = is_graph or args.of_key

local function add(other, is_waiting)
  local of, request, comfy_key, encoding =
    unpack(redis.call('HMGET', job_key(other), 'key', 'request', 'comfy_key', 'encoding'))
  if not request or (comfy_key or '') ~= '' or of_key and of ~= key then return end
  if #alike >= args.most or is_waiting and is_marked(encoding) then return end
  alike[#alike + 1] = {other, of, request}
  if is_waiting then redis.call('HSET', job_key(other), 'encoding', args.mark) end
end
local function add_claimed()
  for _, other in ipairs(redis.call('SMEMBERS', held_key(args.worker))) do
    local its_pool, its_affinity, phase, prompt_id =
      unpack(redis.call('HMGET', job_key(other), 'pool', 'affinity', 'phase', 'prompt_id'))
    local is_alike = other ~= id and its_pool == pool and its_affinity == affinity
    if is_alike and phase == CLAIMED and (prompt_id or '') == '' then add(other) end
  end
end
local function waiting_of(owner)
  local found = {}
  for _, queue in ipairs(redis.call('ZRANGE', affinity_queues_key(pool, owner), 0, MOST_QUEUES - 1)) do
    if #found >= MOST_JOBS then break end
    if string.match(queue, '^%d+|([^|]*)|') == affinity then
      for _, other in ipairs(redis.call('ZRANGE', affinity_queue_key(pool, queue), 0, MOST_JOBS - 1)) do
        found[#found + 1] = other
      end
    end
  end
  return found
end
local function add_waiting()
  if is_paused(pool) or not redis.call('HGET', affinities_key(pool), affinity) then return end
  -- A key at its limit gets its next turn when this job ends.
  local owners = of_key and {} or redis.call('ZRANGE', keys_to_serve_key(pool), 0, MOST_KEYS - 1)
  if of_key or not redis.call('ZSCORE', keys_to_serve_key(pool), key) then owners[#owners + 1] = key end
  local waiting = {}
  for n, owner in ipairs(owners) do waiting[n] = waiting_of(owner) end
  for turn = 1, MOST_JOBS do
    if #alike >= args.most then break end
    for _, found in ipairs(waiting) do
      if found[turn] then add(found[turn], true) end
    end
  end
end

if (affinity or '') ~= '' and not (is_graph and has_killed(key)) then
  add_claimed()
  add_waiting()
end
return alike
