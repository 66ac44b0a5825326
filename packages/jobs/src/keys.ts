/**
 * Every Redis key of the fleet is built here, in TypeScript for the callers and in Lua for the scripts. All share the hash
 * tag inside `prefix`, so that a script may touch them together in a Redis Cluster.
 *
 * | key | type | lives |
 * |---|---|---|
 * | job:<id> | hash, the ledger record | until JOB_TTL_SECONDS after the end |
 * | events:<id> | stream, capped | until 10 minutes after the end, a day at most |
 * | open:<pool> | zset of job ids by creation time | an id is in it until its job ends |
 * | running:<pool> | set of job ids | an id is in it while its job executes |
 * | ranks:<pool> | hash: V and the last rank of each flow | until the pool has no open job |
 * | ahead:<pool> | zset of job ids by the time they are expected to start | an id is in it while its prompt waits behind another in ComfyUI |
 * | idle:<pool> | zset of instance names by the time until which they count as idle | a second, unless said again |
 * | deadlines | zset of job ids by start deadline | an id is in it until its job starts or ends |
 * | outbox | stream of callbacks | an entry is in it until it was handed to the delivery queue |
 * | pools | set of pool names | for good: a name per pool that was ever used |
 * | workers | zset of worker names by the time last seen | a name is in it for a minute |
 * | worker:<name> | string, the announcement | three announcement intervals |
 * | lease:<task> | string, the holder | the lease |
 * | queue-<pool>:… | BullMQ's own | BullMQ's own |
 */
export interface Keys {
  readonly prefix: string;
  job(id: string): string;
  events(id: string): string;
  open(pool: string): string;
  running(pool: string): string;
  ranks(pool: string): string;
  ahead(pool: string): string;
  idle(pool: string): string;
  readonly deadlines: string;
  readonly outbox: string;
  readonly pools: string;
  readonly workers: string;
  worker(name: string): string;
  lease(task: string): string;
  /** BullMQ's name of a pool's queue; its keys begin with `<prefix>:<name>:`. */
  queueName(pool: string): string;
  /** BullMQ's hash of one work item. */
  workItem(pool: string, id: string): string;
  prioritized(pool: string): string;
  waitList(pool: string): string;
  delayed(pool: string): string;
  /** Channel on which a job's events are published. */
  jobChannel(id: string): string;
  /** Channel on which one worker is told to look at a job it holds. */
  workerChannel(name: string): string;
}

export function createKeys(prefix: string): Keys {
  const key = (...parts: string[]) => [prefix, ...parts].join(':');
  const queueName = (pool: string) => `queue-${pool}`;
  return {
    prefix,
    job: (id) => key('job', id),
    events: (id) => key('events', id),
    open: (pool) => key('open', pool),
    running: (pool) => key('running', pool),
    ranks: (pool) => key('ranks', pool),
    ahead: (pool) => key('ahead', pool),
    idle: (pool) => key('idle', pool),
    deadlines: key('deadlines'),
    outbox: key('outbox'),
    pools: key('pools'),
    workers: key('workers'),
    worker: (name) => key('worker', name),
    lease: (task) => key('lease', task),
    queueName,
    workItem: (pool, id) => key(queueName(pool), id),
    prioritized: (pool) => key(queueName(pool), 'prioritized'),
    waitList: (pool) => key(queueName(pool), 'wait'),
    delayed: (pool) => key(queueName(pool), 'delayed'),
    jobChannel: (id) => key('on', id),
    workerChannel: (name) => key('to', name),
  };
}

/** The same keys for scripts; expects the local `P` to hold the prefix. */
export const LUA_KEYS = `
local function job_key(id) return P .. ':job:' .. id end
local function events_key(id) return P .. ':events:' .. id end
local function open_key(pool) return P .. ':open:' .. pool end
local function running_key(pool) return P .. ':running:' .. pool end
local function ranks_key(pool) return P .. ':ranks:' .. pool end
local function ahead_key(pool) return P .. ':ahead:' .. pool end
local function deadlines_key() return P .. ':deadlines' end
local function outbox_key() return P .. ':outbox' end
local function pools_key() return P .. ':pools' end
local function work_item_key(pool, id) return P .. ':queue-' .. pool .. ':' .. id end
local function prioritized_key(pool) return P .. ':queue-' .. pool .. ':prioritized' end
local function wait_key(pool) return P .. ':queue-' .. pool .. ':wait' end
local function delayed_key(pool) return P .. ':queue-' .. pool .. ':delayed' end
local function job_channel(id) return P .. ':on:' .. id end
local function worker_channel(name) return P .. ':to:' .. name end
`;
