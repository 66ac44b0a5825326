--[[
Counts what an API key has stored.

Input:
  KEYS[1] any key
  `key`: the API key, or `id`: one of its jobs; `verb` and its own arguments, see below

Output:
  see below
]]
--- @include "shared/storage"

local key = args.key or redis.call('HGET', job_key(args.id), 'key') or ''

-- The key sent the file `digest` with `bytes` bytes. The file counts as the key's for `life` ms.
if args.verb == 'add' then
  count_file(key, args.digest, args.bytes, args.life)
  return 1
end

local stored, share, is_over, lasting = use_of_storage(key)

-- Returns 1 if the key's files that cannot be deleted, with `bytes` more, are within its share.
if args.verb == 'fits' then return (not share or lasting + args.bytes <= share) and 1 or 0 end

-- A picture with `bytes` bytes was made of an output of the job, with which it is deleted. Not counted if it may not be stored.
if args.verb == 'derive' and key ~= '' and not is_over then
  local bytes = math.max(LEAST_FILE_BYTES, args.bytes)
  redis.call('HINCRBY', job_key(args.id), 'derived_bytes', bytes)
  add_stored(key, bytes)
end

-- Returns the key's bytes, its share in bytes (-1 if unknown), 1 if it may store no more now, and how many files it has sent.
return {stored, share or -1, is_over and 1 or 0, tonumber(redis.call('HGET', storage_key(), 'files ' .. key) or 0)}
