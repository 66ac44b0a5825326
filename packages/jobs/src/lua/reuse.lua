--[[
queued → succeeded: the job gets copies of the outputs of an equal job. A repeat answers the same.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long an ended record lives, in ms; `first`: id of the other job
  `outputs` (JSON); `pictures`: how many pictures are among them

Output:
  1, or 0 if the job no longer waits for these outputs
]]
--- @include "shared/close"
--- @include "shared/job-bytes"
--- @include "shared/storage"

local status = get('status')
if get('reused_from') ~= args.first then return 0 end
if status == SUCCEEDED then return 1 end
if status ~= QUEUED or get('phase') ~= WAITING or is_over_storage(get('key')) then return 0 end
set('outputs', args.outputs)
add_stored(get('key'), bytes_in(args.outputs))
hold_more(get('key'), id, #args.outputs)
close_job(SUCCEEDED, nil, args.pictures)
drop_work_item(get('pool'), id)
return 1
