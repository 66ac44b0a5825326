--[[
A submission: the prompt that was given to an instance, and the worker that is responsible for it.
]]
--- @include "shared/kills"
--- @include "shared/events"

-- The prompt no longer waits behind another one in ComfyUI.
local function leave_prompt_queue()
  redis.call('ZREM', behind_others_key(get('pool')), id)
  redis.call('HDEL', record, 'recalled')
end
-- The worker whose instance has the submission, or an empty string.
local function owner()
  return get('prompt_id') ~= '' and string.match(get('instance'), '^(.*)/%d+$') or ''
end
-- The worker gives up the job, but stays responsible while one of its instances has the submission.
local function leave_worker()
  local worker = get('worker')
  if worker ~= '' and worker ~= owner() then redis.call('SREM', held_key(worker), id) end
end
-- The submission is not wanted any more, but may still be in a ComfyUI that is out of reach. Its worker must stop it later.
local function abandon_submission()
  if get('prompt_id') == '' then return end
  redis.call('HSETNX', unwanted_prompts_key(owner()), get('instance') .. ' ' .. get('prompt_id'), '')
  redis.call('PEXPIRE', unwanted_prompts_key(owner()), UNWANTED_LIFE_MS)
end
-- Asks a worker to check the job, because it holds the job or one of its instances has the submission.
local function notify_worker(worker)
  if worker ~= '' then redis.call('PUBLISH', worker_channel(worker), id) end
end
-- Whether a request (JSON) names a model that the key gave by a URL; see MODEL_URL_FOLDER in packages/contracts.
local function names_own_model(request) return string.find(request, '"url/%x+%.') ~= nil end
-- Records that the instance died, fell silent or hung while it executed this prompt of the job. This counts for keys' own
-- graphs, and for jobs with files or models of the key. Without API keys, there is no other key to protect.
local function record_kill_of(workflow, key, brings_files, prompt_id)
  if key == 'anonymous' or workflow ~= 'graph' and not brings_files then return end
  add_kill(workflow .. ' ' .. key, prompt_id)
end
local function record_kill(prompt_id)
  record_kill_of(get('workflow'), get('key'), get('files') ~= '' or names_own_model(get('request')), prompt_id)
end
-- Removes the current submission from the record.
local function drop_submission()
  leave_prompt_queue()
  if owner() ~= get('worker') then redis.call('SREM', held_key(owner()), id) end
  redis.call('HDEL', record, 'prompt_id', 'started_prompt', 'started_at', 'progress', 'cached_nodes', 'orphaned_at', 'orphaned_ms')
end
-- queued → running.
local function begin_running(prompt_id)
  leave_prompt_queue()
  set('started_at', now_ms(), 'started_prompt', prompt_id)
  redis.call('HINCRBY', record, 'attempts', 1)
  redis.call('ZREM', deadlines_key(), id)
  if get('status') == QUEUED then become(RUNNING) end
end
