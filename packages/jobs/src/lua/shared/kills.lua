--[[
Kills of instances, by workflow and key. After one kill, a key may have one own graph in work at a time in the whole fleet,
unless the graph that killed succeeds elsewhere: its instance probably died for another reason. After two kills, the graphs
must rest, and after each later kill twice as long. Jobs of a published workflow with files of the key rest alike after four.
Kills during a rest do not count, because those jobs were executing when it began. Everything is forgotten an hour after the
last kill or rest.
]]
--- @include "shared/job"
--- @include "constants"

local GRAPH_KILLS_TO_REST, KILLS_TO_REST, REST_MS, MOST_REST_MS = 2, 4, 600000, 86400000
-- More kills would not make the rest longer.
local MOST_KILLS = 16

-- Returns `until`: the end of the last rest, or the time of the last kill; `prompts`: `<prompt id> <job id>` of each kill,
-- except during rests; `rests`: how many there were; and `excused`: the job of the only kill succeeded afterwards.
local function kills_of(what)
  local found = redis.call('HGET', kills_key(), what)
  local kills = found and cjson.decode(found)
  return kills and now_ms() - kills['until'] <= HOUR_MS and kills or {prompts = {}, rests = 0, ['until'] = 0}
end
local function add_kill(what, prompt_id)
  local kills, now, prompt = kills_of(what), tonumber(now_ms()), prompt_id .. ' ' .. id
  if now < kills['until'] then return end
  for _, known in ipairs(kills.prompts) do
    if known == prompt then return end
  end
  table.insert(kills.prompts, 1, prompt)
  kills.prompts[MOST_KILLS + 1] = nil
  kills.rests = math.max(0, #kills.prompts + 1 - (string.match(what, '^graph ') and GRAPH_KILLS_TO_REST or KILLS_TO_REST))
  kills.excused = nil
  kills['until'] = now + (kills.rests == 0 and 0 or math.min(REST_MS * 2 ^ (kills.rests - 1), MOST_REST_MS))
  redis.call('HSET', kills_key(), what, cjson.encode(kills))
  redis.call('PEXPIRE', kills_key(), MOST_REST_MS + HOUR_MS)
end
-- Excuses the only kill if this job caused it and has now succeeded. The kill still counts, because the graph may kill
-- only instances of one kind.
local function excuse_only_kill(what)
  local kills = kills_of(what)
  if #kills.prompts ~= 1 or string.match(kills.prompts[1], ' (.+)$') ~= id then return end
  kills.excused = true
  redis.call('HSET', kills_key(), what, cjson.encode(kills))
end
-- Whether an own graph of the key has killed an instance and was not excused.
local function has_killed(key)
  local kills = kills_of('graph ' .. key)
  return #kills.prompts > 0 and not kills.excused, kills
end
-- Whether the key's own graphs must wait: they rest after a kill, or the one graph allowed at a time is in work (other
-- than this job).
local function are_graphs_held_back(key)
  local is_killer, kills = has_killed(key)
  if not is_killer then return false end
  if tonumber(now_ms()) < kills['until'] then return true end
  for _, other in ipairs(redis.call('SMEMBERS', taken_of_key(key))) do
    if other ~= id and redis.call('HGET', job_key(other), 'workflow') == 'graph' then return true end
  end
  return false
end
-- See GRAPH_AFFINITY in record/request-keys.ts.
local function is_queue_of_graphs(queue) return string.match(queue, '^%d+|graph%-') ~= nil end
