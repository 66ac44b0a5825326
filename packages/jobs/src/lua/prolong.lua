--[[
Has an ended job outlive the delivery of its webhook.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives
  ARGV[4] for how many ms from now it is to be known at least

Output:
  its key; an empty text, and nothing changes, when there is no such job that has ended
]]
--- @include "shared/life"

if not is_terminal(get('status')) then return '' end
outlive_delivery(tonumber(ARGV[4]))
return get('key')
