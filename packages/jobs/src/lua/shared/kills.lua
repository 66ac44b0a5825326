--[[
Kills of instances, by workflow and key. After one kill, a key may have one own graph in work at a time in the whole fleet.
After two, its graphs must rest, and after each later kill twice as long. Kills during a rest do not count, because those
jobs were executing when it began. Everything is forgotten an hour after the last kill or rest, and the kills of a job as
soon as it succeeds, because then its instances died for other reasons.
]]
--- @include "shared/job"
--- @include "constants"

local KILLS_TO_REST, REST_MS, MOST_REST_MS = 2, 600000, 86400000
-- More kills would not make the rest longer.
local MOST_KILLS = 16

-- Returns `until`: the end of the rest, or the time of the only kill; and `prompts`: `<prompt id> <job id>` of each kill,
-- except during rests.
local function kills_of(what)
  local found = redis.call('HGET', kills_key(), what)
  local kills = found and cjson.decode(found)
  return kills and now_ms() - kills['until'] <= HOUR_MS and kills or {prompts = {}, ['until'] = 0}
end
local function add_kill(what, prompt_id)
  local kills, now, prompt = kills_of(what), tonumber(now_ms()), prompt_id .. ' ' .. id
  if now < kills['until'] then return end
  for _, known in ipairs(kills.prompts) do
    if known == prompt then return end
  end
  table.insert(kills.prompts, 1, prompt)
  kills.prompts[MOST_KILLS + 1] = nil
  local beyond = #kills.prompts - KILLS_TO_REST
  kills['until'] = now + (beyond < 0 and 0 or math.min(REST_MS * 2 ^ beyond, MOST_REST_MS))
  redis.call('HSET', kills_key(), what, cjson.encode(kills))
  redis.call('PEXPIRE', kills_key(), MOST_REST_MS + HOUR_MS)
end
local function forget_kills_of_job(what)
  local kills, others = kills_of(what), {}
  for _, prompt in ipairs(kills.prompts) do
    if string.match(prompt, ' (.+)$') ~= id then others[#others + 1] = prompt end
  end
  if #others == 0 then redis.call('HDEL', kills_key(), what)
  elseif #others < #kills.prompts then
    redis.call('HSET', kills_key(), what, cjson.encode({prompts = others, ['until'] = kills['until']}))
  end
end
-- Whether no own graph of the key may start now, ignoring this job's.
local function are_graphs_held_back(key)
  local kills = kills_of('graph ' .. key)
  if #kills.prompts == 0 then return false end
  if tonumber(now_ms()) < kills['until'] then return true end
  for _, other in ipairs(redis.call('SMEMBERS', taken_of_key(key))) do
    if other ~= id and redis.call('HGET', job_key(other), 'workflow') == 'graph' then return true end
  end
  return false
end
-- See GRAPH_AFFINITY in record/request-keys.ts.
local function is_queue_of_graphs(queue) return string.match(queue, '^%d+|graph%-') ~= nil end
