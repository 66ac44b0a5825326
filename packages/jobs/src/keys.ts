/**
 * Every Redis key of the fleet is built here, in TypeScript for the callers and in Lua for the scripts. All share the
 * hash tag inside `prefix`, so that a script may touch them together in a Redis Cluster.
 *
 * | key | type | lives |
 * |---|---|---|
 * | job:<id> | hash, the ledger record | until JOB_TTL_SECONDS after the end, or after the delivery of its webhook is over; while that is to come, 30 days more |
 * | events:<id> | stream, capped | until 10 minutes after the end, a day at most |
 * | open:<pool> | zset of job ids by creation time | an id is in it until its job ends |
 * | lane:<pool>:<lod> | zset of job ids by creation time | an id is in it until its job begins or ends, unless it is parked |
 * | parked-lane:<pool>:<lod> | the same of those that are parked | as above |
 * | running:<pool> | set of job ids | an id is in it while its job executes |
 * | ranks:<pool> | hash: V and the last rank of each flow | until the pool has no open job |
 * | backlog:<pool> | hash: waiting jobs that are not parked by what they take alike, see signature.ts | until the pool has no open job |
 * | durations:<pool> | hash: learned ms by what jobs take alike | 30 days after the last learning, 1,000 fields at most |
 * | paces:<pool> | hash: `<instance>|` and what jobs take alike → learned ms, executions, and when the last ended | a day after the last learning, 1,000 fields at most |
 * | ahead:<pool> | zset of job ids by the time they are expected to start | an id is in it while its prompt waits behind another in ComfyUI |
 * | idle:<pool> | zset of instance names by the time until which they count as idle | 2.5 seconds, unless said again |
 * | held:<worker> | set of job ids | an id is in it while that worker has its claim, or one of its instances the submission |
 * | abandoned:<worker> | set of `<instance> <prompt id>`, submissions that may be in its instances and that no job wants | until the worker has stopped them, a day at most |
 * | opinions:<worker> | hash: `<instance> <job id>` → what became elsewhere of a job that failed in that instance | until the worker has read them, an hour at most |
 * | wedged:<worker> | hash: its instances that execute what they were told to stop → the prompt, its node and since when, as JSON | until the prompt is gone, 30 days at most |
 * | input-uses:<sha256> | set of ids of jobs that have the picture in a ComfyUI's input folder | 30 days after the last one came; an id until it is seen that its job has ended |
 * | input-deleting:<sha256> | string, who deletes it from such a folder | until it is deleted, 30 seconds at most |
 * | preview:<id> | string, the newest preview as JSON | a minute |
 * | able:<pool> | hash: instance → when it was seen and the digest of what it can do | a day after the last one was seen |
 * | abilities:<digest> | string, what instances can do as JSON | a day after the last instance said it |
 * | callers | set of the ids of API keys | for good: a name per key that ever made a job |
 * | totals | hash of counters: `<kind> <lod> <outcome>` → how many jobs were created, or ended like this | for good: 40 fields |
 * | stock | string, what pictures there are as JSON | a day after the housekeeping last looked |
 * | jobs-of:<key> | zset of job ids in their own order, all with score 0 | two days longer than the longest-lived of them; an id is in it until its record is gone |
 * | waiting | hash: API key → its jobs that have not begun | a field is in it while there are any |
 * | taken-of:<key> | set of job ids | an id is in it while a worker has its claim |
 * | parked:<key> | zset of job ids by rank | an id is in it while it is held back because its key has as many in workers' hands as it may |
 * | rate:<key> | string, requests of this minute | a minute |
 * | uploads:<key>:<day> | string, bytes sent that day | two days |
 * | usage:<key>:<day> | hash of counters | 100 days |
 * | idempotency:<key>:<digest> | string: the request's fingerprint and the ids of the jobs it made | IDEMPOTENCY_TTL_SECONDS |
 * | url-secrets | hash: day → the secret that signs URLs | nine days after the newest; a field until nothing signed with it is good |
 * | attempts:<id> | list of tries to deliver the job's webhook as JSON, capped | as long as the record |
 * | deadlines | zset of job ids by start deadline | an id is in it until its job starts or ends |
 * | outbox | stream of callbacks | an entry is in it until it was handed to the delivery queue |
 * | replicated | string, empty: a write that replicas are waited for | a minute |
 * | pools | set of pool names | for good: a name per pool that was ever used |
 * | workers | zset of worker names by the time last seen | a name is in it for a minute |
 * | worker:<name> | string, the announcement | three announcement intervals |
 * | halts | hash: `fleet`, `pool <name>` and `instance <name>` → since when it is halted, and by which API key | for good: an operator's word lapses by another one only; only what the fleet knows can be halted |
 * | lease:<task> | string, the holder | the lease |
 * | queue-<pool>:…, webhooks:… | BullMQ's own | BullMQ's own |
 */
export interface Keys {
  readonly prefix: string;
  job(id: string): string;
  events(id: string): string;
  open(pool: string): string;
  lane(pool: string, lod: string): string;
  parkedLane(pool: string, lod: string): string;
  running(pool: string): string;
  ranks(pool: string): string;
  backlog(pool: string): string;
  durations(pool: string): string;
  paces(pool: string): string;
  ahead(pool: string): string;
  idle(pool: string): string;
  able(pool: string): string;
  abilities(digest: string): string;
  held(worker: string): string;
  abandoned(worker: string): string;
  opinions(worker: string): string;
  wedged(worker: string): string;
  inputUses(sha256: string): string;
  inputDeleting(sha256: string): string;
  preview(id: string): string;
  readonly callers: string;
  readonly totals: string;
  readonly stock: string;
  jobsOf(key: string): string;
  readonly waiting: string;
  takenOf(key: string): string;
  parked(key: string): string;
  rate(key: string): string;
  /** Days are counted from 1970-01-01, UTC. */
  uploads(key: string, day: number | string): string;
  usage(key: string, day: number | string): string;
  idempotency(key: string, digest: string): string;
  readonly urlSecrets: string;
  attempts(id: string): string;
  readonly deadlines: string;
  readonly outbox: string;
  readonly replicated: string;
  readonly pools: string;
  readonly workers: string;
  worker(name: string): string;
  /** What operators have halted; see halts.ts. */
  readonly halts: string;
  lease(task: string): string;
  /** BullMQ's name of a pool's queue; its keys begin with `<prefix>:<name>:`. */
  queueName(pool: string): string;
  /** BullMQ's name of the queue of webhooks. */
  readonly webhookQueue: string;
  /** BullMQ's key of a part of that queue, or of an item of it. */
  webhookPart(part: string): string;
  /** BullMQ's hash of one work item. */
  workItem(pool: string, id: string): string;
  prioritized(pool: string): string;
  waitList(pool: string): string;
  delayed(pool: string): string;
  active(pool: string): string;
  stalled(pool: string): string;
  marker(pool: string): string;
  /** Sets apart, in the order of their adding, work items of the same rank. */
  priorityCounter(pool: string): string;
  queueMeta(pool: string): string;
  /** BullMQ's lock of one work item. */
  lock(pool: string, id: string): string;
  /** Channel on which a job's events are published. */
  jobChannel(id: string): string;
  /** Channel on which one worker is told to look at a job it holds. */
  workerChannel(name: string): string;
  /** Channel on which all workers are told that what is halted may have changed. */
  readonly haltsChannel: string;
}

export function createKeys(prefix: string): Keys {
  const key = (...parts: string[]) => [prefix, ...parts].join(':');
  const queueName = (pool: string) => `queue-${pool}`;
  return {
    prefix,
    job: (id) => key('job', id),
    events: (id) => key('events', id),
    open: (pool) => key('open', pool),
    lane: (pool, lod) => key('lane', pool, lod),
    parkedLane: (pool, lod) => key('parked-lane', pool, lod),
    running: (pool) => key('running', pool),
    ranks: (pool) => key('ranks', pool),
    backlog: (pool) => key('backlog', pool),
    durations: (pool) => key('durations', pool),
    paces: (pool) => key('paces', pool),
    ahead: (pool) => key('ahead', pool),
    idle: (pool) => key('idle', pool),
    able: (pool) => key('able', pool),
    abilities: (digest) => key('abilities', digest),
    held: (worker) => key('held', worker),
    abandoned: (worker) => key('abandoned', worker),
    opinions: (worker) => key('opinions', worker),
    wedged: (worker) => key('wedged', worker),
    inputUses: (sha256) => key('input-uses', sha256),
    inputDeleting: (sha256) => key('input-deleting', sha256),
    preview: (id) => key('preview', id),
    callers: key('callers'),
    totals: key('totals'),
    stock: key('stock'),
    jobsOf: (caller) => key('jobs-of', caller),
    waiting: key('waiting'),
    takenOf: (caller) => key('taken-of', caller),
    parked: (caller) => key('parked', caller),
    rate: (caller) => key('rate', caller),
    uploads: (caller, day) => key('uploads', caller, `${day}`),
    usage: (caller, day) => key('usage', caller, `${day}`),
    idempotency: (caller, digest) => key('idempotency', caller, digest),
    urlSecrets: key('url-secrets'),
    attempts: (id) => key('attempts', id),
    deadlines: key('deadlines'),
    outbox: key('outbox'),
    replicated: key('replicated'),
    pools: key('pools'),
    workers: key('workers'),
    worker: (name) => key('worker', name),
    halts: key('halts'),
    lease: (task) => key('lease', task),
    queueName,
    webhookQueue: 'webhooks',
    webhookPart: (part) => key('webhooks', part),
    workItem: (pool, id) => key(queueName(pool), id),
    prioritized: (pool) => key(queueName(pool), 'prioritized'),
    waitList: (pool) => key(queueName(pool), 'wait'),
    delayed: (pool) => key(queueName(pool), 'delayed'),
    active: (pool) => key(queueName(pool), 'active'),
    stalled: (pool) => key(queueName(pool), 'stalled'),
    marker: (pool) => key(queueName(pool), 'marker'),
    priorityCounter: (pool) => key(queueName(pool), 'pc'),
    queueMeta: (pool) => key(queueName(pool), 'meta'),
    lock: (pool, id) => key(queueName(pool), id, 'lock'),
    jobChannel: (id) => key('on', id),
    workerChannel: (name) => key('to', name),
    haltsChannel: key('halted'),
  };
}

/** The same keys for scripts; expects the local `P` to hold the prefix. */
export const LUA_KEYS = `
local function job_key(id) return P .. ':job:' .. id end
local function events_key(id) return P .. ':events:' .. id end
local function open_key(pool) return P .. ':open:' .. pool end
local function lane_key(pool, lod) return P .. ':lane:' .. pool .. ':' .. lod end
local function parked_lane_key(pool, lod) return P .. ':parked-lane:' .. pool .. ':' .. lod end
local function running_key(pool) return P .. ':running:' .. pool end
local function ranks_key(pool) return P .. ':ranks:' .. pool end
local function backlog_key(pool) return P .. ':backlog:' .. pool end
local function durations_key(pool) return P .. ':durations:' .. pool end
local function paces_key(pool) return P .. ':paces:' .. pool end
local function ahead_key(pool) return P .. ':ahead:' .. pool end
local function held_key(worker) return P .. ':held:' .. worker end
local function abandoned_key(worker) return P .. ':abandoned:' .. worker end
local function input_deleting_key(sha256) return P .. ':input-deleting:' .. sha256 end
local function preview_key(id) return P .. ':preview:' .. id end
local function callers_key() return P .. ':callers' end
local function jobs_of_key(caller) return P .. ':jobs-of:' .. caller end
local function waiting_of_key() return P .. ':waiting' end
local function taken_of_key(caller) return P .. ':taken-of:' .. caller end
local function parked_key(caller) return P .. ':parked:' .. caller end
local function rate_key(caller) return P .. ':rate:' .. caller end
local function uploads_key(caller, day) return P .. ':uploads:' .. caller .. ':' .. day end
local function usage_key(caller, day) return P .. ':usage:' .. caller .. ':' .. day end
local function idempotency_key(caller, digest) return P .. ':idempotency:' .. caller .. ':' .. digest end
local function attempts_key(id) return P .. ':attempts:' .. id end
local function marker_key(pool) return P .. ':queue-' .. pool .. ':marker' end
local function deadlines_key() return P .. ':deadlines' end
local function halts_key() return P .. ':halts' end
local function outbox_key() return P .. ':outbox' end
local function totals_key() return P .. ':totals' end
local function pools_key() return P .. ':pools' end
local function work_item_key(pool, id) return P .. ':queue-' .. pool .. ':' .. id end
local function prioritized_key(pool) return P .. ':queue-' .. pool .. ':prioritized' end
local function wait_key(pool) return P .. ':queue-' .. pool .. ':wait' end
local function priority_counter_key(pool) return P .. ':queue-' .. pool .. ':pc' end
local function queue_meta_key(pool) return P .. ':queue-' .. pool .. ':meta' end
local function delayed_key(pool) return P .. ':queue-' .. pool .. ':delayed' end
local function active_key(pool) return P .. ':queue-' .. pool .. ':active' end
local function stalled_key(pool) return P .. ':queue-' .. pool .. ':stalled' end
local function job_channel(id) return P .. ':on:' .. id end
local function worker_channel(name) return P .. ':to:' .. name end
`;
