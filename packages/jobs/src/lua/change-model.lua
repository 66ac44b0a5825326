--[[
Changes a registered model unless any has changed since they were read. The records are JSON that only TypeScript reads,
because cjson turns empty lists into objects.

Input:
  KEYS[1] any key
  `id`: `<kind>/<name>`; `record`: the new record, absent to delete it; `version` of all records as they were read,
  absent if there was none

Output:
  1, or 0 if a record has changed
]]
--- @include "keys"

if (redis.call('HGET', models_key(), ':version') or nil) ~= args.version then return 0 end
if args.record then
  redis.call('HSET', models_key(), args.id, args.record)
else
  redis.call('HDEL', models_key(), args.id)
end
redis.call('HINCRBY', models_key(), ':version', 1)
return 1
