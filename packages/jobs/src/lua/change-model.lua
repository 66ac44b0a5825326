--[[
Changes a registered model unless somebody else has changed it since it was read. The records are JSON that only
TypeScript reads, because cjson turns empty lists into objects.

Input:
  KEYS[1] any key
  `id`: `<kind>/<name>`; `before`: the record as it was read, absent if there was none; `after`: the new record, absent
  to delete it

Output:
  1, or 0 if the record has changed
]]
--- @include "keys"

local now = redis.call('HGET', models_key(), args.id) or nil
if now ~= args.before then return 0 end
if args.after then
  redis.call('HSET', models_key(), args.id, args.after)
else
  redis.call('HDEL', models_key(), args.id)
end
redis.call('INCR', models_version_key())
return 1
