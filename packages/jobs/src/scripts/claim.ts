import { PRELUDE, SNAPSHOT } from './prelude.js';

/**
 * A worker takes the job: the fence goes up by one. Own arguments: worker name, deaths after which the job fails, the
 * error to fail it with (JSON). A job found claimed already was held by a worker that died, or that lost its lock.
 */
export const claimScript = `${PRELUDE}${SNAPSHOT}
local worker, most_deaths, too_many_deaths = ARGV[4], tonumber(ARGV[5]), ARGV[6]
local status = get('status')
if status == '' or is_terminal(status) then return {'ended'} end
redis.call('HINCRBY', record, 'claim', 1)
if get('phase') ~= 'waiting' and redis.call('HINCRBY', record, 'deaths', 1) >= most_deaths then
  set('error', too_many_deaths)
  close_job(status == 'canceling' and 'canceled' or 'failed')
  return {'ended'}
end
set('phase', 'claimed', 'worker', worker)
local pool, rank = get('pool'), tonumber(get('rank'))
if rank > tonumber(redis.call('HGET', ranks_key(pool), 'V') or 0) then redis.call('HSET', ranks_key(pool), 'V', rank) end
return {'ok', snapshot()}
`;
