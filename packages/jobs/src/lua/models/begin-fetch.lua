--[[
Announces that a host begins to fetch a model, unless more other hosts than expected have it or fetch it: two hosts that
choose at the same time must not both fetch a model that is needed once.

Input:
  KEYS[1] any key
  `folder`, `id` of the model, `copy`: JSON of the new copy, `life_ms` of the announcement
  `rivals`: the other folders of the same pools; `most` of them may have the model

Output:
  1, or 0 if it must not be fetched
]]
--- @include "keys"

local holders = 0
for _, rival in ipairs(args.rivals) do
  local copy = redis.call('HGET', model_copies_key(rival), args.id)
  local state = copy and cjson.decode(copy).state
  if state == 'ready' or state == 'fetching' then holders = holders + 1 end
end
if holders > args.most then return 0 end
redis.call('HSET', model_copies_key(args.folder), args.id, args.copy)
redis.call('PEXPIRE', model_copies_key(args.folder), args.life_ms)
return 1
