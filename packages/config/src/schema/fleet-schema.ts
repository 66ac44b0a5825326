import { resolve } from 'node:path';
import { DEFAULT_POOL, POOL_PATTERN } from '@comfy-fleet/contracts';
import Type from 'typebox';
import {
  integer,
  listOf,
  mapped,
  optional,
  optionalPath,
  optionalText,
  setting,
  text,
  withoutSlash,
} from '../setting.js';

const MIB = 1024 * 1024;

/** One pool's name, to be repeated in a list. */
const POOL = POOL_PATTERN.slice(1, -1);

/** One host:port, to be repeated in a list. */
const NODE = '(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+):\\d{1,5}';

const nodes = (name: string, which: string) =>
  optionalText(name, `Comma-separated host:port of ${which}`, `^\\s*${NODE}(\\s*,\\s*${NODE})*\\s*$`);

/** One entry per instance: an empty one is an instance whose disk this machine cannot access. */
const folders = (all: string | undefined) =>
  all === undefined ? [] : all.split(',').map((folder) => (folder.trim() === '' ? undefined : resolve(folder.trim())));

/** Redis, the queue, ComfyUI, workers and dispatchers. */
export const fleetSchema = {
  redis: {
    url: setting(
      'REDIS_URL',
      Type.String({
        default: 'redis://127.0.0.1:6379',
        pattern: '^rediss?://',
        writeOnly: true, // it may include a password
        description: 'redis:// or rediss:// (TLS) address of Redis, with user and password if it requires them',
      }),
    ),
    sentinels: nodes(
      'REDIS_SENTINELS',
      'Sentinels, which name the primary; then only user, password, database and TLS of REDIS_URL are used',
    ),
    sentinelName: text('REDIS_SENTINEL_NAME', 'mymaster', 'Name under which the Sentinels know the primary'),
    sentinelPassword: optional(
      'REDIS_SENTINEL_PASSWORD',
      Type.String({ writeOnly: true, description: 'Password of the Sentinels themselves, if they require one' }),
    ),
    cluster: nodes('REDIS_CLUSTER', 'nodes of a Redis Cluster; then only user, password and TLS of REDIS_URL are used'),
    ca: optionalText('REDIS_CA_FILE', 'PEM file of the certificate authorities for Redis; not set: those of Node'),
    cert: optionalText('REDIS_CERT_FILE', 'PEM file of the client certificate for Redis, if it requires one'),
    key: optionalText('REDIS_KEY_FILE', 'PEM file of the private key of that certificate'),
    /** Only the local runner and Compose read it. */
    maxMemory: optionalText(
      'REDIS_MAXMEMORY',
      "Memory of the Redis that npm start or Compose runs, in bytes or such as 2gb; not set: a quarter of the machine's, with Compose 1gb",
      '^[1-9]\\d*([kKmMgG][bB]?)?$',
    ),
    /** Only the local runner reads it. */
    port: integer('REDIS_PORT', 0, 0, 'Port of the Redis that npm start runs; 0 takes a free one', 65_535),
    waitReplicas: integer(
      'REDIS_WAIT_REPLICAS',
      0,
      0,
      'Number of replicas that must have a job before it is accepted, and a prompt id before ComfyUI gets the prompt: all there are, for a failover may promote any of them. After five eighths of REDIS_TIMEOUT_MS without them a request for a new job is answered 503',
    ),
    timeoutMs: integer(
      'REDIS_TIMEOUT_MS',
      800,
      50,
      'Longest a request waits for an answer of Redis before it is answered 503; new jobs are sent to Redis a second time first',
    ),
    prefix: text(
      'KEY_PREFIX',
      '{comfy-fleet}',
      'Prefix of every Redis key, with a hash tag in braces that keeps all keys on one node of a Cluster',
      '^[A-Za-z0-9_-]*\\{[A-Za-z0-9_-]+\\}[A-Za-z0-9_-]*$',
    ),
  },
  queue: {
    maxOpenJobs: integer(
      'MAX_OPEN_JOBS',
      10_000,
      1,
      'Most open jobs (accepted and not ended); more are refused with queue_full',
    ),
    keyJobBytes: integer(
      'KEY_JOB_BYTES',
      256 * MIB,
      16 * MIB,
      'Most bytes that the waiting and ended jobs of one API key hold: 2,000 for each job, and those of its texts, graph and extra data, in Redis or in files. More are refused with queue_full; beyond three quarters the oldest ended jobs are deleted, but none of the last ten minutes. A key has at most one asset for each 6 KiB of it, and one file that it has sent for each 2,000 bytes',
    ),
    /** How often a job may execute before it fails because ComfyUI loses it. */
    maxAttempts: 3,
    /**
     * How many instances may die, or fall silent for `unreachableSeconds`, under a job before it fails with
     * instance_killed.
     */
    maxInstanceDeaths: 2,
    /** How often a worker may die while it holds a job before the job fails with worker_killed. */
    maxWorkerDeaths: 10,
    /**
     * How many later jobs of the same key may overtake a job: those of higher priority or lower level of detail, and
     * those whose models an instance holds or whose texts it has just encoded.
     */
    maxOvertakes: 500,
    modelPatienceSeconds: integer(
      'MODEL_PATIENCE_SECONDS',
      30,
      0,
      'How long a job whose turn it is may be passed over for jobs whose models an instance already holds or whose texts it has just encoded; 0: never',
    ),
    jobTtlSeconds: integer(
      'JOB_TTL_SECONDS',
      604_800,
      60,
      'How long an ended job is kept, counted from when its webhook, if any, was delivered or failed',
    ),
    idempotencyTtlSeconds: 86_400,
    lockMs: integer('LOCK_MS', 10_000, 500, "After about this time a dead worker's jobs go to other workers"),
    /** How often to check for lost and expired jobs. */
    sweepSeconds: 5,
  },
  /** `readInstances` combines these. */
  comfyui: {
    instancesFile: optionalPath(
      'COMFYUI_INSTANCES_FILE',
      'Instead of COMFYUI_URLS: JSON or YAML file with an entry for each instance (address, headers, folders, pools, name)',
    ),
    urls: mapped(
      listOf(
        'COMFYUI_URLS',
        'Comma-separated http(s) addresses of the ComfyUI instances this worker drives',
        '^\\s*https?://[^\\s,]+(\\s*,\\s*https?://[^\\s,]+)*\\s*,?\\s*$',
      ),
      (urls) => urls.map(withoutSlash),
    ),
    outputDirs: mapped(
      optionalText(
        'COMFYUI_OUTPUT_DIRS',
        'Comma-separated output folders of the ComfyUI instances, in the order of COMFYUI_URLS, if this worker can access them: it deletes pictures there once they are stored, and finds there what was finished before a restart of ComfyUI',
      ),
      folders,
    ),
    inputDirs: mapped(
      optionalText(
        'COMFYUI_INPUT_DIRS',
        'Like COMFYUI_OUTPUT_DIRS, but the input folders: a picture is deleted there when no open job needs it',
      ),
      folders,
    ),
    tempDirs: mapped(
      optionalText(
        'COMFYUI_TEMP_DIRS',
        'Like COMFYUI_OUTPUT_DIRS, but the temporary folders: previews are deleted there when their job has ended',
      ),
      folders,
    ),
    /** Longest wait for an answer, or for each chunk of a file. */
    timeoutMs: 10_000,
  },
  worker: {
    name: optionalText(
      'WORKER_NAME',
      'Name of this worker, up to 64 of A-Z a-z 0-9 . _ -; default: the host name',
      '^[A-Za-z0-9._-]{1,64}$',
    ),
    pools: mapped(
      listOf(
        'WORKER_POOLS',
        'Comma-separated pools whose jobs this worker takes; a pool is up to 32 of a-z 0-9 -',
        `^\\s*${POOL}(\\s*,\\s*${POOL})*\\s*,?\\s*$`,
        DEFAULT_POOL,
      ),
      (pools) => [...new Set(pools)],
    ),
    healthPort: integer(
      'WORKER_HEALTH_PORT',
      3001,
      0,
      "Port of the worker's /livez, /readyz and /metrics; 0 takes a free one",
      65_535,
    ),
    announceSeconds: 2,
    drainSeconds: integer('DRAIN_SECONDS', 60, 0, 'How long a stopping worker waits for its running jobs'),
    /** How long other workers leave a prompt to a dead worker before they render the job again. */
    adoptWaitSeconds: 60,
    maxOutputBytes: integer(
      'MAX_OUTPUT_BYTES',
      4096 * MIB,
      1024,
      'The most bytes that the outputs of a job may have together; a job with more fails with output_too_large',
    ),
    encodeAhead: {
      mode: setting(
        'ENCODE_AHEAD',
        Type.Enum(['on', 'off', 'sampling'], {
          default: 'on',
          description:
            'on: the texts of several waiting jobs are encoded in one go where that saves GPU time; sampling: also runs first stages of sampling that another diffusion model continues in one go; off: neither',
        }),
      ),
      /** Texts are encoded ahead only if that saves at least this much per job. */
      leastSavedMs: 500,
    },
    /**
     * If prompts of a workflow take less than this, ComfyUI saves pictures as lossless WebP, which saves it 130 ms a
     * megapixel, and the worker makes the PNGs while the next prompt runs.
     */
    fastSaveBelowMs: 2000,
    interruptGraceSeconds: integer(
      'INTERRUPT_GRACE_SECONDS',
      30,
      1,
      'How long an execution may go on after its first interrupt; then its job ends, and the instance counts as wedged',
    ),
    /**
     * How long to wait for an instance that is unreachable while it has a prompt. A restart of ComfyUI takes seconds.
     */
    unreachableSeconds: 30,
    /** How to restart a ComfyUI that does not recover. */
    restart: {
      command: optionalText(
        'COMFYUI_RESTART_COMMAND',
        'Shell command that restarts a wedged or broken ComfyUI, with COMFY_FLEET_INSTANCE, COMFY_FLEET_URL and COMFY_FLEET_REASON (an error code) in its environment; not set: you restart it yourself',
      ),
      /** Wait after a restart that did not help; it doubles each time, up to half an hour. */
      waitSeconds: 60,
      /** Restarts of one instance. One that needs more is broken. */
      mostPerHour: 4,
    },
    warmUpWorkflow: optionalText(
      'WARM_UP_WORKFLOW',
      'Workflow of WORKFLOWS_DIR that each ComfyUI runs before it gets jobs, when its worker starts and after every restart of the ComfyUI, so that the models are loaded; not set: none',
    ),
  },
  dispatcher: {
    healthPort: integer(
      'DISPATCHER_HEALTH_PORT',
      3002,
      0,
      "Port of the dispatcher's /livez, /readyz and /metrics; 0 takes a free one",
      65_535,
    ),
  },
};
