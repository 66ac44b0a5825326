--[[
queued → running: ComfyUI began to execute the submission. A late report about an earlier submission changes nothing.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long an ended record lives, in ms; `claim`; `prompt_id`;
  `cached_nodes`: ids of the nodes whose results ComfyUI has cached (JSON)

Output:
  'ok'; 'canceling': stop the job; 'superseded': there is a newer claim
]]
--- @include "shared/submission"

local prompt_id = args.prompt_id
if not held_by(args.claim) then return 'superseded' end
if get('prompt_id') == prompt_id then
  enter(EXECUTING)
  if args.cached_nodes then set('cached_nodes', args.cached_nodes) end
  if get('started_prompt') ~= prompt_id then begin_running(prompt_id) end
end
return verdict()
