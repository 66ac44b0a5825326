--[[
Counts what an API key has stored.

Input:
  KEYS[1] any key
  `key`: the API key; `verb` and its own arguments, see below

Output:
  see below
]]
--- @include "shared/storage"

local key = args.key

-- The key sent the file `digest` with `bytes` bytes. The file counts as the key's for `life` ms.
if args.verb == 'add' then
  count_file(key, args.digest, args.bytes, args.life)
  return 1
end

local stored, share, is_over, lasting = use_of_storage(key)

-- Returns 1 if the key's files that cannot be deleted, with `bytes` more, are within its share.
if args.verb == 'fits' then return (not share or lasting + args.bytes <= share) and 1 or 0 end

-- Returns the key's bytes, its share in bytes (-1 if unknown), and 1 if it may store no more now.
return {stored, share or -1, is_over and 1 or 0}
