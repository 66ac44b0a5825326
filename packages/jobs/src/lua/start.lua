--[[
queued → running: ComfyUI began to execute the submission. Late word of another submission than the current one
changes nothing.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives
  ARGV[4] claim
  ARGV[5] prompt id
  ARGV[6] the ids of the nodes that ComfyUI need not execute (JSON), or empty

Output:
  'ok', or 'canceling': stop; 'superseded': the claim is not the latest any more
]]
--- @include "shared/begin"

local claim, prompt_id, cached_nodes = ARGV[4], ARGV[5], ARGV[6] or ''
if not held_by(claim) then return 'superseded' end
if get('prompt_id') == prompt_id then
  set('phase', 'executing')
  if cached_nodes ~= '' then set('cached_nodes', cached_nodes) end
  if get('started_prompt') ~= prompt_id then begin_running(prompt_id) end
end
return get('status') == 'canceling' and 'canceling' or 'ok'
