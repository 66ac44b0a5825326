import { LUA_KEYS } from '../keys.js';
import { TODAY } from './prelude.js';

const LIFE_MS = 2 * 86_400_000;

/**
 * Books bytes that a caller sends today (UTC), if there is room for them. KEYS[1] is any key; ARGV: prefix, caller,
 * bytes, most bytes of a day. Answers 1, or 0 when there is none.
 */
export const chargeScript = `
local P, caller, bytes, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
${LUA_KEYS}${TODAY}
local key = uploads_key(caller, today())
local booked = tonumber(redis.call('GET', key) or 0)
if booked + bytes > most then return 0 end
redis.call('INCRBY', key, ARGV[3])
redis.call('PEXPIRE', key, ${LIFE_MS})
return 1
`;
