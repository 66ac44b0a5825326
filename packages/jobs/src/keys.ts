import { keyBuilders } from './key-table.js';

/** BullMQ's own keys. BullMQ decides how long they live. */
export const QUEUE_KEYS = {
  /** The hash of one work item */
  workItem: 'queue-<pool>:<id>',
  prioritized: 'queue-<pool>:prioritized',
  waitList: 'queue-<pool>:wait',
  delayed: 'queue-<pool>:delayed',
  active: 'queue-<pool>:active',
  stalled: 'queue-<pool>:stalled',
  marker: 'queue-<pool>:marker',
  /** A counter that orders work items of the same priority by when they were added */
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
 * Every Redis key of the fleet except BullMQ's, for TypeScript and for the scripts: type and content | lifetime. All
 * keys begin with the prefix and so share its hash tag, which lets one script use all of them in a Redis Cluster. Days
 * are counted from 1970-01-01, UTC.
 */
const FLEET_KEYS = {
  /** String: the version of this schema, see schema.ts | forever */
  schema: 'schema',
  /**
   * Hash: the record of a job | until JOB_TTL_SECONDS after its end, or after the end of its webhook's delivery; while
   * that is pending, 30 days longer
   */
  job: 'job:<id>',
  /** Stream: the events of a job that began, capped | until 10 minutes after its end, at most a day */
  events: 'events:<id>',
  /** String: the id of the key's job with this alias | as long as the record */
  alias: 'alias:<key>:<alias>',
  /**
   * Hash: `origin`, the part of the order that only the API repeats in its answers, and `graph`, the source of the
   * caller's own graph; each is JSON or a reference to a file, see record/payloads.ts. `attempts`: the last ones to deliver
   * the job's webhook, a line of JSON each | as long as the record
   */
  texts: 'texts:<id>',
  /** Sorted set: ids of open jobs by creation time | an id until its job ends */
  open: 'open:<pool>',
  /** Hash: signature → waiting jobs, see record/request-keys.ts | until the pool has no open job */
  backlog: 'backlog:<pool>',
  /**
   * Hash: `time <key>`, the virtual time of an API key, see scheduling/virtual-time.lua; `present`, that of the key
   * served last; `ahead <key>`, what its jobs in work count for besides;
   * `arrived <key>`, how many jobs came to the pool, and `removed <key>`, how many of these no longer wait; `passed
   * <affinity queue>`, when it was first passed over for a job that needs less loading, until a job of it is claimed or none
   * is left; `loaded <instance>`, when it last got a job for which it had to load models | until the pool has no open job
   */
  schedule: 'schedule:<pool>',
  /** Sorted set: instances by the greatest virtual time of a key that they served | an instance while it has or gets jobs */
  presents: 'presents:<pool>',
  /** Hash: API key → how much later it comes on the instance than elsewhere, see scheduling/virtual-time.lua | as in presents */
  lifts: 'lifts:<pool>:<instance>',
  /**
   * Sorted set: the API keys that may be served now, by virtual time and jobs in work | a key while it has a waiting job and is not at
   * its limit
   */
  keysToServe: 'keys-to-serve:<pool>',
  /**
   * Set: API keys at a limit | a key while it has a waiting job, and is at its limit of jobs in work, has no GPU time left
   * for today, or its files fill its share of the storage
   */
  keysAtLimit: 'keys-at-limit:<pool>',
  /** Sorted set: job ids by sequence, see scheduling/waiting.lua | an id while its job waits for its first claim */
  affinityQueue: 'affinity-queue:<pool>:<queue>',
  /** Sorted set: names of a key's affinity queues by the sequence of their first job | as these queues */
  affinityQueues: 'affinity-queues:<pool>:<key>',
  /** Hash: affinity key → waiting jobs | as these jobs */
  affinities: 'affinities:<pool>',
  /** Hash: affinity key → its workflow and model files as JSON, while they are known | as these jobs */
  affinityModels: 'affinity-models:<pool>',
  /**
   * Hash: affinity key → how many ms the instance would load models for such a job, -1 if it cannot run it | a minute
   * after its worker last renewed it
   */
  fits: 'fits:<instance>',
  /** Hash: signature, version, level of detail, and `key <API key>` → learned ms of an execution | 30 days after the last change, at most 1,000 fields */
  durations: 'durations:<pool>',
  /** Hash: model file → learned ms of loading it | 30 days after the last change, at most 1,000 fields */
  loadTimes: 'load-times',
  /**
   * Hash: version of a workflow → the last nine times of its slowest nodes as JSON, see workers/learned-times.ts | 30
   * days after the last change, at most 1,000 fields
   */
  nodeTimes: 'node-work',
  /** Sorted set: job ids by expected start | an id while its prompt waits behind another one in ComfyUI */
  behindOthers: 'ahead:<pool>',
  /** Sorted set: names of idle instances by when they stop counting as idle | 2.5 seconds, unless renewed */
  idle: 'idle:<pool>',
  /** Hash: instance → when it was seen, and the digest of its catalogue | a day after the last one was seen */
  catalogueDigests: 'able:<pool>',
  /**
   * Hash: node class → its description as JSON; `:replacements`: the classes that ComfyUI replaces; `:count`: added
   * when the catalogue is complete | a day after an instance last published it, an hour after the last instance has
   * another one
   */
  catalogue: 'catalogue:<digest>',
  /** Set: ids of jobs that a worker is responsible for | an id while the worker has its claim or its submission */
  held: 'held:<worker>',
  /**
   * Hash: `<instance> <prompt id>` → a prompt in a worker's instances that no job wants any more; if it ignores an
   * interrupt, its node and since when, as JSON | until the worker has stopped them, at most 30 days
   */
  unwantedPrompts: 'unwanted-prompts:<worker>',
  /**
   * Hash: `<workflow> <key>` → prompts that killed instances with their jobs, and until when such jobs of the key rest, as JSON; see
   * lua/shared/kills.lua | a day and an hour after the last kill
   */
  kills: 'kills',
  /**
   * Set: ids of jobs that start from the file with this digest, or use the file with this name in an input folder of ComfyUI
   * | 30 days after the last job was added; an id until its job ends
   */
  inputUses: 'input-uses:<digest>',
  /**
   * Hash: `names` → the secret from which names of files on instances are derived; day → the secret that signs URLs |
   * `names` forever: with another secret, workers would not find their files; a day until all URLs signed with it have
   * expired
   */
  secrets: 'secrets',
  /** Hash: an asset, which is a file that an API key sent | until ASSET_TTL_SECONDS after its last use */
  asset: 'asset:<id>',
  /** Sorted set: ids of a key's assets, all with score 0 | a day longer than the longest-lived asset */
  assetsOf: 'assets-of:<key>',
  /**
   * Hash: API key that sent the file with this digest → when it first did, and the ids of its assets of it; the file counts
   * as stored for each of them. `:unowned` → when the last one deleted it | as long as their assets, and a day longer than a
   * newly sent file
   */
  senders: 'senders:<digest>',
  /**
   * Hash: `bytes` of all files, `most` bytes allowed, how many `keys` have files, files and bytes of all `kinds` as
   * JSON; for each API key, `stored <key>` bytes, how many of them are `evictable <key>`, to make space for others, and the
   * number of sent `files <key>` | forever: each housekeeping run rewrites it
   */
  storage: 'storage',
  /** String: id of the key's asset that was last sent under this path | as the asset */
  assetPath: 'asset-path:<key>:<path>',
  /** String: the newest preview as JSON | a minute */
  preview: 'preview:<id>',
  /** Hash: each API key that ever created a job → how many of its jobs wait, also for the outputs of an equal one | forever */
  callers: 'callers',
  /** Hash: `<kind> <lod> <outcome>` → how many jobs were created, or ended like this | forever: 40 fields */
  totals: 'totals',
  /**
   * Sorted set: a key's jobs, and its jobs by workflow and by the job that they were made from, all with score 0, see
   * record/indexes.ts | two days longer than the longest-lived record; a job until its record is gone
   */
  jobsOf: 'jobs-of:<key>',
  /**
   * Sorted set: ids of a key's jobs with an origin: first open ones by creation time, then ended ones by ENDED_AFTER plus
   * the time of their end | as jobsOf; an id until its record is gone or the job is hidden
   */
  listedOf: 'listed-of:<key>',
  /** Set: ids of a key's jobs in work | an id while a worker has its claim */
  takenOf: 'taken-of:<key>',
  /** String: how many requests the key sent this minute | a minute */
  rate: 'rate:<key>',
  /**
   * Hash: job id → the bytes that the job holds; `total` → the sum | as jobsOf; a field until the record is gone
   */
  jobBytes: 'job-bytes:<key>',
  /** Hash: counters of what the key used and sent that day | 100 days */
  usage: 'usage:<key>:<day>',
  /** Hash: API key → ms of GPU time that it may use a day | until an order of the key without such a limit */
  gpuLimits: 'gpu-limits',
  /**
   * Hash: `<pool> <API key>` → ms of GPU time in this minute, ` <API key>` → the weight of the key; minutes are counted
   * since 1970 | two hours
   */
  gpuTime: 'gpu-time:<minute>',
  /**
   * List: finished executions of an instance, the newest first, at most 720; see history/timeline.ts | an hour after
   * the last
   */
  timeline: 'timeline:<instance>',
  /** List: samples of the fleet as JSON, the newest first, for an hour | an hour after the last */
  history: 'history',
  /** String: active and pending alerts, and when they were judged, as JSON | forever */
  alerts: 'alerts',
  /**
   * String: id of the key's job whose outputs jobs with the same digest get, see reuseOf in record/request-keys.ts | a
   * week after it succeeded
   */
  reuse: 'reuse:<key>:<digest>',
  /**
   * Hash, `newer` or `older`: digest of an Idempotency-Key → when it came, fingerprint of the request, and ids of the jobs
   * that it created; `:since`, when the first came, and `:bytes` of all | 24 hours after the last came
   */
  idempotency: 'idempotency:<key>:<age>',
  /**
   * String: the source of a workflow | as long as the record of a job or the registry names it; an hour while neither
   * does
   */
  version: 'version:<hash>',
  /**
   * Hash: name → published versions as JSON, the newest first, until operators delete the workflow; `:version`: a number
   * that grows with each change | forever
   */
  workflows: 'workflows',
  /**
   * Hash: `<kind>/<name>` → a registered model as JSON, until a week after operators or the housekeeping delete it;
   * `:version`: a number that grows with each change | forever
   */
  models: 'models',
  /**
   * Hash: id → a model folder as JSON; `<id> <worker>` → the worker's instances that use it, as JSON | an entry for a
   * minute after its worker last renewed it
   */
  modelFolders: 'model-folders',
  /** Hash: `<kind>/<name>` → what the folder has of a model as JSON | a minute after its worker last renewed it */
  modelCopies: 'model-copies:<folder>',
  /** Sorted set: job ids by start deadline | an id until its job starts or ends */
  deadlines: 'deadlines',
  /** Stream: webhooks to deliver | an entry until it is in the delivery queue */
  outbox: 'outbox',
  /** String: an empty mark that is written before waiting for replicas | a minute */
  replicated: 'replicated',
  /** Set: names of all pools that were ever used | forever */
  pools: 'pools',
  /**
   * Hash: name of a worker → until when its announcement counts, three intervals, and the announcement as JSON | a field
   * until a reader finds it outdated
   */
  workers: 'workers',
  /**
   * Hash: `fleet`, `pool <name>` or `instance <name>` → since when it is paused or drained, and by which API key |
   * until an operator resumes it
   */
  halts: 'halts',
  /**
   * String: the process that has the name of a worker (`worker`), the worker that manages a model folder (`folder`), or the
   * deletion of a file from an input folder (`input`) | until its holder gives it up, or has not renewed it for a while
   */
  lease: 'lease:<kind>:<name>',
  /** Channel: events of a job */
  jobChannel: 'on:<id>',
  /** Channel: each new status of a key's jobs, see callers/key-jobs.ts */
  keyChannel: 'of:<key>',
  /** Channel: ids of jobs that a worker should check, and cross-checks of its instances */
  workerChannel: 'to:<name>',
  /** Channel: something was paused, drained or resumed */
  haltsChannel: 'halted',
} as const;

export const KEY_TABLE = { ...FLEET_KEYS, ...QUEUE_KEYS };

export type Keys = ReturnType<typeof createKeys>;

export function createKeys(prefix: string) {
  return {
    prefix,
    ...keyBuilders(KEY_TABLE, prefix),
    /** BullMQ's name of a pool's queue; its keys begin with `<prefix>:<name>:`. */
    queueName: (pool: string) => `queue-${pool}`,
    /** BullMQ's names of the queues of webhooks and of the housekeeping. */
    webhookQueue: 'webhooks',
    housekeepingQueue: 'housekeeping',
  };
}
