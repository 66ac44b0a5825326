--[[
An instance died or hung while it executed a prompt that encoded texts ahead. This counts as a kill by the key of the job
before whose prompt it ran, even if the key has deleted that job. A repeat does not count again.

Input:
  KEYS[1] the record of that job
  `id` of that job, its `key`, `workflow` and `request` (JSON), and whether it `has_files`; `prompt_id` of the prompt that encoded ahead

Output:
  nothing
]]
--- @include "shared/submission"

record_kill_of(args.workflow, args.key, args.has_files or names_own_model(args.request), args.prompt_id)
