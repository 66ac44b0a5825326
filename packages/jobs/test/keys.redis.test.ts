import { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished } from 'vitest';
import { createKeys, LUA_KEYS } from '../src/keys.js';

/** Builder in Lua → the same key in TypeScript. */
const keys = createKeys('{tag}');
const PAIRS: Record<string, string> = {
  "job_key('i')": keys.job('i'),
  "events_key('i')": keys.events('i'),
  "open_key('p')": keys.open('p'),
  "lane_key('p', 'l')": keys.lane('p', 'l'),
  "parked_lane_key('p', 'l')": keys.parkedLane('p', 'l'),
  "running_key('p')": keys.running('p'),
  "ranks_key('p')": keys.ranks('p'),
  "backlog_key('p')": keys.backlog('p'),
  "durations_key('p')": keys.durations('p'),
  "paces_key('p')": keys.paces('p'),
  "ahead_key('p')": keys.ahead('p'),
  "held_key('w')": keys.held('w'),
  "abandoned_key('w')": keys.abandoned('w'),
  "input_deleting_key('a')": keys.inputDeleting('a'),
  "preview_key('i')": keys.preview('i'),
  'callers_key()': keys.callers,
  "jobs_of_key('k')": keys.jobsOf('k'),
  'waiting_of_key()': keys.waiting,
  "taken_of_key('k')": keys.takenOf('k'),
  "parked_key('k')": keys.parked('k'),
  "rate_key('k')": keys.rate('k'),
  "uploads_key('k', '7')": keys.uploads('k', 7),
  "usage_key('k', '7')": keys.usage('k', 7),
  "idempotency_key('k', 'd')": keys.idempotency('k', 'd'),
  "attempts_key('i')": keys.attempts('i'),
  "marker_key('p')": keys.marker('p'),
  'deadlines_key()': keys.deadlines,
  'halts_key()': keys.halts,
  'outbox_key()': keys.outbox,
  'totals_key()': keys.totals,
  'pools_key()': keys.pools,
  "work_item_key('p', 'i')": keys.workItem('p', 'i'),
  "prioritized_key('p')": keys.prioritized('p'),
  "wait_key('p')": keys.waitList('p'),
  "priority_counter_key('p')": keys.priorityCounter('p'),
  "queue_meta_key('p')": keys.queueMeta('p'),
  "delayed_key('p')": keys.delayed('p'),
  "active_key('p')": keys.active('p'),
  "stalled_key('p')": keys.stalled('p'),
  "job_channel('i')": keys.jobChannel('i'),
  "worker_channel('w')": keys.workerChannel('w'),
};

it('builds in Lua, when evaluated by Redis, exactly the keys that TypeScript builds', async () => {
  const redis = new Redis(inject('redisUrl'));
  onTestFinished(() => redis.disconnect());
  const calls = Object.keys(PAIRS);
  const built = await redis.eval(`local P = ARGV[1] ${LUA_KEYS} return {${calls.join(', ')}}`, 0, '{tag}');
  expect(built).toEqual(Object.values(PAIRS));
});

it('leaves no Lua key builder out of that comparison', () => {
  const builders = [...LUA_KEYS.matchAll(/function (\w+)\(/g)].map(([, name]) => name);
  expect(Object.keys(PAIRS).map((call) => call.slice(0, call.indexOf('(')))).toEqual(builders);
});

it('begins every key and channel with the prefix, so that all are in one slot of a Redis Cluster', () => {
  const built = Object.values(keys).flatMap((value) => (typeof value === 'function' ? [value('a', 'b')] : [value]));
  const names = built.filter((key) => key !== keys.queueName('a') && key !== keys.webhookQueue && key !== keys.prefix);
  expect(names).toHaveLength(56);
  for (const key of names) expect(key).toMatch(/^\{tag\}:/);
});
