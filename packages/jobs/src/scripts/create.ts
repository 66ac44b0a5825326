import { PRELUDE, SNAPSHOT } from './prelude.js';

/** BullMQ's ceiling for a priority; ranks above it are clamped and then served first in, first out. */
const MAX_RANK = 2_097_151;

/**
 * queued: writes the record and gives it its rank. Own arguments: pool, flow, step, most open jobs of the pool, ms
 * after which it expires if it still is queued, signature, then field–value pairs of the record. A repeat for the same
 * id changes nothing.
 */
export const createScript = `${PRELUDE}${SNAPSHOT}
local pool, flow, step, most_open = ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local start_within, signature = tonumber(ARGV[8]), ARGV[9]
if redis.call('EXISTS', record) == 1 then return {'ok', snapshot()} end
if redis.call('ZCARD', open_key(pool)) >= most_open then return {'full'} end
local highest_claimed = tonumber(redis.call('HGET', ranks_key(pool), 'V') or 0)
local last_of_flow = tonumber(redis.call('HGET', ranks_key(pool), 'flow:' .. flow) or 0)
local rank = math.min(math.max(highest_claimed, last_of_flow) + step, ${MAX_RANK})
redis.call('HSET', ranks_key(pool), 'flow:' .. flow, rank)
local now = now_ms()
local deadline = string.format('%d', now + start_within)
redis.call('HSET', record, 'id', id, 'pool', pool, 'rank', rank, 'status', 'queued', 'phase', 'waiting', 'claim', 0,
  'created_at', now, 'start_deadline', deadline, 'signature', signature, unpack(ARGV, 10))
join_backlog()
redis.call('SADD', pools_key(), pool)
redis.call('ZADD', open_key(pool), now, id)
redis.call('ZADD', deadlines_key(), deadline, id)
return {'ok', snapshot()}
`;
