import { type Builders, keyBuilders } from './key-table.js';

/** BullMQ's name of the queue of webhooks. */
const WEBHOOK_QUEUE = 'webhooks';

/** BullMQ's name of the queue of the housekeeping. */
const HOUSEKEEPING_QUEUE = 'housekeeping';

/** BullMQ's name of a pool's queue; its keys begin with `<prefix>:<name>:`. */
function queueName(pool: string): string {
  return `queue-${pool}`;
}

/** BullMQ's own keys; they live as long as it says. */
export const QUEUE_KEYS = {
  /** The hash of one work item */
  workItem: 'queue-<pool>:<id>',
  prioritized: 'queue-<pool>:prioritized',
  waitList: 'queue-<pool>:wait',
  delayed: 'queue-<pool>:delayed',
  active: 'queue-<pool>:active',
  stalled: 'queue-<pool>:stalled',
  marker: 'queue-<pool>:marker',
  /** Sets apart, in the order of their adding, work items, which all have the same priority */
  priorityCounter: 'queue-<pool>:pc',
  completed: 'queue-<pool>:completed',
  failed: 'queue-<pool>:failed',
  workEvents: 'queue-<pool>:events',
  queueMeta: 'queue-<pool>:meta',
  /** The lock of one work item */
  lock: 'queue-<pool>:<id>:lock',
  /** A part of the queue of webhooks, or an item of it */
  webhookPart: 'webhooks:<part>',
} as const;

/**
 * Every Redis key of the fleet but BullMQ's, for TypeScript and for the scripts: what it is | how long it lives. All begin with the prefix,
 * and so with its hash tag: a script may touch them together in a Redis Cluster. Days are counted from 1970-01-01, UTC.
 */
const FLEET_KEYS = {
  /** String, the number of the schema that all this has, see schema.ts | for good */
  schema: 'schema',
  /**
   * Hash, the ledger record | until JOB_TTL_SECONDS after the end, or after the delivery of its webhook is over;
   * while that is to come, 30 days more
   */
  job: 'job:<id>',
  /** Stream, capped | until 10 minutes after the end, a day at most */
  events: 'events:<id>',
  /** String, the id of the key's job with that alias | as long as the record */
  alias: 'alias:<key>:<alias>',
  /**
   * String, what the order of the job said that only its API's answers repeat, as JSON, or a reference to its file, see
   * record/payloads.ts | as long as the record
   */
  origin: 'origin:<id>',
  /** Zset of job ids by creation time | an id is in it until its job ends */
  open: 'open:<pool>',
  /** Zset of job ids by creation time | an id is in it until its job begins or ends */
  lodBacklog: 'lane:<pool>:<lod>',
  /** Set of job ids | an id is in it while its job executes */
  running: 'running:<pool>',
  /** Hash: jobs that have not begun by what they take alike, see signature.ts | until the pool has no open job */
  backlog: 'backlog:<pool>',
  /** Hash: `present`, the virtual time of what was claimed last | until the pool has no open job */
  schedule: 'schedule:<pool>',
  /** Zset of API keys by virtual time, see scheduling/virtual-time.lua | until the pool has no open job */
  virtualTimes: 'virtual-times:<pool>',
  /** The same of those that may be served now | a key is in it while it has a waiting job and is not at its limit */
  keysToServe: 'keys-to-serve:<pool>',
  /**
   * Set of API keys | a key is in it while it has a waiting job, and as many jobs in workers' hands as it may have, or its
   * files fill its share of the storage
   */
  keysAtLimit: 'keys-at-limit:<pool>',
  /** Hash: API key → jobs that came to the pool | until the pool has no open job */
  arrivals: 'arrivals:<pool>',
  /** Hash: API key → jobs of these that wait no more | as arrivals */
  removals: 'removals:<pool>',
  /**
   * Zset of job ids by sequence, see scheduling/waiting.lua | an id is in it while its job waits for its first claim
   */
  affinityQueue: 'affinity-queue:<pool>:<queue>',
  /** Zset: the names of a key's affinity queues by the sequence of the first job | as they are */
  affinityQueues: 'affinity-queues:<pool>:<key>',
  /** Hash: these jobs of a key by what they take alike | as they are */
  waitingLike: 'waiting-like:<pool>:<key>',
  /** Hash: affinity key → jobs that wait with it | as they are */
  affinities: 'affinities:<pool>',
  /**
   * Hash: affinity key → the workflow and the model files as JSON | until the pool has no open job; of those with which
   * no job waits, 2,000 or so
   */
  affinityModels: 'affinity-models:<pool>',
  /**
   * Hash: affinity key → how many ms of loading such a job would cost the instance; -1 when it cannot run it | a minute
   * after its worker last said so
   */
  fits: 'fits:<instance>',
  /**
   * Zset of names of affinity queues by when one of their jobs was first passed over for one that needed less loading |
   * a name is in it until one of its jobs is claimed, or it ends
   */
  passedOver: 'passed-over:<pool>',
  /** Hash: instance → when it was last given a job for which it had to load | until the pool has no open job */
  loaded: 'loaded:<pool>',
  /**
   * Zset of tokens of claims by the µs in which they read the queues | a token is in it until it has taken a job, a second
   * at most
   */
  choosing: 'choosing:<pool>',
  /** List of job ids that are claimed before all others | an id is in it until its job is claimed or has ended */
  first: 'first:<pool>',
  /** Hash: learned ms by what jobs take alike | 30 days after the last learning, 1,000 fields at most */
  durations: 'durations:<pool>',
  /**
   * Hash: `<instance>|` and what jobs take alike → learned ms, executions, and when the last ended | a day after
   * the last learning, 1,000 fields at most
   */
  paces: 'paces:<pool>',
  /** Hash: model file → learned ms that loading it takes | 30 days after the last learning, 1,000 fields at most */
  loadTimes: 'load-times',
  /**
   * Hash: version of a workflow → the last nine times of its slowest nodes as JSON, see node-times.ts | 30 days after the
   * last learning, 1,000 fields at most.
   */
  nodeTimes: 'node-work',
  /**
   * Zset of job ids by the time they are expected to start | an id is in it while its prompt waits behind
   * another in ComfyUI
   */
  behindOthers: 'ahead:<pool>',
  /** Zset of instance names by the time until which they count as idle | 2.5 seconds, unless said again */
  idle: 'idle:<pool>',
  /** Hash: instance → when it was seen and the digest of its catalogue | a day after the last one was seen */
  catalogueDigests: 'able:<pool>',
  /**
   * Hash: node class → how instances describe it as JSON; `:replacements`, the classes that they replace; `:count`, once
   * it is whole | a day after the last instance said that it has it, an hour after the last one has another
   */
  catalogue: 'catalogue:<digest>',
  /**
   * Set of job ids | an id is in it while that worker has its claim, or one of its instances the submission
   */
  held: 'held:<worker>',
  /**
   * Set of `<instance> <prompt id>`, submissions that may be in its instances and that no job wants | until the
   * worker has stopped them, a day at most
   */
  abandoned: 'abandoned:<worker>',
  /**
   * Hash: `<instance> <job id>` → what became elsewhere of a job that failed in that instance | until the worker
   * has read them, an hour at most
   */
  crossChecks: 'opinions:<worker>',
  /**
   * Zset of `<prompt id> <workflow> <key>` by time: own graphs of API keys that an instance executed when it died, fell
   * silent or was wedged, and jobs with files that ended for its death | an hour
   */
  kills: 'kills',
  /**
   * Hash: its instances that execute what they were told to stop → the prompt, its node and since when, as JSON
   * | until the prompt is gone, 30 days at most
   */
  hungPrompts: 'wedged:<worker>',
  /**
   * Set of ids of jobs that start from the file of that digest, or have the file of that name in a ComfyUI's input folder
   * | 30 days after the last one came; an id until its job has ended
   */
  inputUses: 'input-uses:<digest>',
  /** String, who deletes the file of that name from such a folder | until it is deleted, 30 seconds at most */
  inputDeleting: 'input-deleting:<name>',
  /**
   * String, the secret from which the names of files on instances are derived | for good: after a change, workers would
   * not find the files that are there
   */
  nameSecret: 'name-secret',
  /** Hash, an asset: a file as one API key sent it | until ASSET_TTL_SECONDS after its last use */
  asset: 'asset:<id>',
  /** Zset of ids of assets in their own order, all with score 0 | a day longer than the longest-lived of them */
  assetsOf: 'assets-of:<key>',
  /** Set of ids of assets that have the file, of all keys | as long as the longest-lived of them */
  assetOwners: 'asset-owners:<digest>',
  /**
   * Zset of API keys that sent the file, which counts as stored by each of them, by when they first did | as long as the longest-lived of their
   * assets, and a day longer than any asset from when it was last sent
   */
  inputKeys: 'input-keys:<digest>',
  /**
   * Hash: `bytes` of all files, `most` that there may be, how many `keys` have any; `stored <key>` bytes of each API key,
   * and how many of them are `evictable <key>`, to make room for others | for good: the housekeeping writes it anew each time
   */
  storage: 'storage',
  /** Hash: name → id of the key's asset that it gave it to | a day longer than the longest-lived of those assets */
  assetNames: 'asset-names:<key>',
  /** Zset of these names by when they were given | as they */
  namesByTime: 'names-by-time:<key>',
  /** Zset of names of files by when nobody owned them any more | until the housekeeping has deleted them, or they are owned again */
  unowned: 'unowned',
  /** String, the newest preview as JSON | a minute */
  preview: 'preview:<id>',
  /** Set of the ids of API keys | for good: a name per key that ever made a job */
  callers: 'callers',
  /**
   * Hash of counters: `<kind> <lod> <outcome>` → how many jobs were created, or ended like this | for good: 40
   * fields
   */
  totals: 'totals',
  /** String, what pictures there are as JSON | a day after the housekeeping last looked */
  inventory: 'stock',
  /**
   * Zset of job ids in their own order, all with score 0 | two days longer than the longest-lived of them; an id
   * is in it until its record is gone
   */
  jobsOf: 'jobs-of:<key>',
  /** Zset of `<workflow>|<id>` of the same jobs, all with score 0 | as jobsOf */
  jobsByWorkflow: 'jobs-by-workflow:<key>',
  /** Zset of ids of its jobs that were made from that one, all with score 0 | two days longer than the longest-lived of them */
  childrenOf: 'children-of:<key>:<id>',
  /** Zset of ids of its jobs with an origin by creation time | an id is in it until its job is listed as ended */
  openOf: 'open-of:<key>',
  /** Zset of ids of a client's jobs that are listed as ended in order, by creation time | an id is in it until that */
  inOrderOf: 'in-order-of:<key>:<client>',
  /**
   * Zset of ids of these by the time of their end | as jobsOf; an id is in it until its record is gone, or it was hidden
   */
  endedOf: 'ended-of:<key>',
  /** Hash: API key → its jobs that have not begun | a field is in it while there are any */
  waiting: 'waiting',
  /** Set of job ids | an id is in it while a worker has its claim */
  takenOf: 'taken-of:<key>',
  /** String, requests of this minute | a minute */
  rate: 'rate:<key>',
  /**
   * Hash: job id → the bytes that the job holds and, after a space, the version of a graph that came with it; `total` →
   * their sum | as jobsOf; a field until the record is gone
   */
  jobBytes: 'job-bytes:<key>',
  /** Hash of counters of what the key used, and sent, that day | 100 days */
  usage: 'usage:<key>:<day>',
  /**
   * Hash: pool and, after a space, API key → ms that GPUs worked for it in that span of so many minutes, counted since
   * 1970 | two hours
   */
  gpuTime: 'gpu-time:<minutes>:<span>',
  /** List: its executions that are over, see past/execution.ts; at most 720, the newest first | an hour after the last */
  timeline: 'timeline:<instance>',
  /** Zset of names of these instances by the end of their last execution | a name is in it for an hour, or until the next sample */
  timelines: 'timelines',
  /** List: samples of the fleet as JSON, an hour of them, the newest first | an hour after the last */
  history: 'history',
  /** String, the alerts that stand or may come to, as JSON | for good: one text, with when somebody last looked */
  alerts: 'alerts',
  /** Hash: API key → its weight when GPUs last worked for it in that hour, counted since 1970 | two hours */
  weights: 'weights:<hour>',
  /** String: the request's fingerprint and the ids of the jobs it made | 24 hours at most */
  idempotency: 'idempotency:<key>:<digest>',
  /** List of these digests, the oldest first, see shared/remember.lua | 24 hours after the last came */
  rememberedOf: 'remembered-of:<key>',
  /**
   * String, the source of a workflow, or a reference to its file, see record/payloads.ts | as long as a job's record names it, and for good while the registry does; an hour
   * while nothing does
   */
  version: 'version:<hash>',
  /** Set of ids of the jobs that run a graph of their caller's own | as the version; an id until the record is gone */
  graphJobs: 'graph-jobs:<version>',
  /** Hash: name → its versions as JSON, the newest first | for good: what operators published, until they delete it */
  workflows: 'workflows',
  /**
   * Hash: day → the secret that signs URLs | nine days after the newest; a field until nothing signed with it is
   * good
   */
  urlSecrets: 'url-secrets',
  /** List of tries to deliver the job's webhook as JSON, capped | as long as the record */
  attempts: 'attempts:<id>',
  /** Zset of job ids by start deadline | an id is in it until its job starts or ends */
  deadlines: 'deadlines',
  /** Stream of callbacks | an entry is in it until it was handed to the delivery queue */
  outbox: 'outbox',
  /** String, empty: a write that replicas are waited for | a minute */
  replicated: 'replicated',
  /** Set of pool names | for good: a name per pool that was ever used */
  pools: 'pools',
  /** Zset of worker names by the time last seen | a name is in it for a minute */
  workers: 'workers',
  /** String, the announcement | three announcement intervals */
  worker: 'worker:<name>',
  /**
   * Hash: `fleet`, `pool <name>` and `instance <name>` → since when it is halted, and by which API key | for
   * good: an operator's word lapses by another one only; only what the fleet knows can be halted
   */
  halts: 'halts',
  /** String, the process that has the name of the worker | as long as an announcement */
  workerName: 'worker-name:<worker>',
  /** Channel on which a job's events are published */
  jobChannel: 'on:<id>',
  /** Channel on which each status of a key's jobs is published, see key-jobs.ts */
  keyChannel: 'of:<key>',
  /** Channel on which one worker is notified to look at a job it holds */
  workerChannel: 'to:<name>',
  /** Channel on which all workers are notified that what is halted may have changed */
  haltsChannel: 'halted',
  /** Channel on which the names of workflows are published that were published, changed or deleted */
  workflowsChannel: 'workflows-changed',
} as const;

export const KEY_TABLE = { ...FLEET_KEYS, ...QUEUE_KEYS };

export interface Keys extends Builders<typeof KEY_TABLE> {
  readonly prefix: string;
  /** BullMQ's name of a pool's queue. */
  queueName(pool: string): string;
  /** BullMQ's name of the queue of webhooks. */
  readonly webhookQueue: string;
  readonly housekeepingQueue: string;
}

export function createKeys(prefix: string): Keys {
  return {
    prefix,
    ...keyBuilders(KEY_TABLE, prefix),
    queueName,
    webhookQueue: WEBHOOK_QUEUE,
    housekeepingQueue: HOUSEKEEPING_QUEUE,
  };
}
