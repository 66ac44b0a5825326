--[[
queued → running: ComfyUI began to execute the submission. Late word of another submission than the current one
changes nothing.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when it has ended; `claim`; `prompt_id`; `cached_nodes`: the
  ids of the nodes that ComfyUI need not execute (JSON)

Output:
  'ok', or 'canceling': stop; 'superseded': the claim is not the latest any more
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
