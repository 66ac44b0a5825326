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

-- Returns the key's bytes, its share in bytes (-1 if unknown), and 1 if it may store no more now.
local stored, share, is_over = use_of_storage(key)
return {stored, share or -1, is_over and 1 or 0}
