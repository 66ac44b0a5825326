import { DEFAULT_POOL, POOL_PATTERN, WEBHOOK_SECRET_PATTERN } from '@comfy-fleet/contracts';
import Type, { type Static } from 'typebox';

const MIB = 1024 * 1024;

/** One pool's name, to be repeated in a list. */
const POOL = POOL_PATTERN.slice(1, -1);

const integer = (value: number, minimum: number, description: string, maximum?: number) =>
  Type.Integer({ default: value, minimum, description, ...(maximum === undefined ? {} : { maximum }) });

/** One webhook secret, to be repeated in a list. */
const SECRET = WEBHOOK_SECRET_PATTERN.slice(1, -1);

const targets = (which: string) =>
  Type.Optional(
    Type.String({
      description: `Comma-separated hosts, host:port, addresses or CIDR blocks that ${which}`,
    }),
  );

/** One host:port, to be repeated in a list. */
const NODE = '(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+):\\d{1,5}';

const nodes = (which: string) =>
  Type.Optional(
    Type.String({
      pattern: `^\\s*${NODE}(\\s*,\\s*${NODE})*\\s*$`,
      description: `Comma-separated host:port of ${which}`,
    }),
  );

const pemFile = (what: string) => Type.Optional(Type.String({ description: `PEM file of ${what}` }));

/** Every variable the services read, with its default and meaning. docs/settings.md is made of it. */
export const settingsSchema = Type.Object({
  // where things are
  PORT: integer(3000, 0, 'Port of the API; 0 takes a free one', 65_535),
  HOST: Type.String({ default: '127.0.0.1', description: 'Address the API listens on' }),
  PUBLIC_URL: Type.Optional(
    Type.String({
      pattern: '^https?://[^/\\s?#]+(/[^\\s?#]*)?$',
      description: 'http(s) address under which callers reach the API; makes the URLs in answers absolute',
    }),
  ),
  API_METRICS_PORT: integer(
    3003,
    0,
    "Port of the API's /metrics, /livez and /readyz, which need no key; 0 takes a free one",
    65_535,
  ),
  API_METRICS_HOST: Type.String({
    default: '127.0.0.1',
    description: "Address the API's /metrics are served on",
  }),
  API_KEYS_FILE: Type.Optional(
    Type.String({
      description: 'JSON file of the API keys, read again when it changes; without it nobody needs a key',
    }),
  ),
  ALLOW_ANONYMOUS: Type.Enum(['0', '1'], {
    default: '0',
    description: '1 lets an API without API_KEYS_FILE listen on other addresses than loopback',
  }),
  CORS_ORIGINS: Type.Optional(
    Type.String({
      pattern: '^\\s*(\\*|https?://[^\\s,/]+(\\s*,\\s*https?://[^\\s,/]+)*)\\s*$',
      description: 'Comma-separated origins whose pages may call the API, or *; not set: only its own pages',
    }),
  ),
  IMAGES: Type.Enum(['signed', 'public'], {
    default: 'signed',
    description:
      'signed: with keys, pictures are shown to their key and to signed URLs that expire; public: to anybody who knows the name',
  }),
  SIGNED_URL_SECONDS: integer(86_400, 60, 'How long a signed URL in an answer is valid, at least', 604_800),
  REDIS_URL: Type.String({
    default: 'redis://127.0.0.1:6379',
    pattern: '^rediss?://',
    writeOnly: true, // it may hold a password
    description: 'redis:// or rediss:// (TLS) address of Redis, with user and password if it asks for them',
  }),
  REDIS_SENTINELS: nodes(
    'Sentinels, which name the primary: of REDIS_URL only user, password, database and TLS count then',
  ),
  REDIS_SENTINEL_NAME: Type.String({
    default: 'mymaster',
    description: 'Name under which the Sentinels know the primary',
  }),
  REDIS_SENTINEL_PASSWORD: Type.Optional(
    Type.String({ writeOnly: true, description: 'Password of the Sentinels themselves, if they ask for one' }),
  ),
  REDIS_CLUSTER: nodes('nodes of a Redis Cluster; of REDIS_URL only user, password and TLS count then'),
  REDIS_CA_FILE: pemFile('the authorities that the certificates of Redis are checked against; not set: those of Node'),
  REDIS_CERT_FILE: pemFile('the certificate that Redis is shown, if it asks for one'),
  REDIS_KEY_FILE: pemFile('the private key of that certificate'),
  REDIS_WAIT_REPLICAS: integer(
    0,
    0,
    'Replicas that must have a job before it is acknowledged, and the id of a prompt before ComfyUI is asked',
  ),
  REDIS_WAIT_MS: integer(500, 10, 'Longest wait for these replicas, in ms; then a new job is answered 503'),
  KEY_PREFIX: Type.String({
    default: '{comfy-fleet}',
    pattern: '^[A-Za-z0-9_-]*\\{[A-Za-z0-9_-]+\\}[A-Za-z0-9_-]*$',
    description: 'Prefix of every Redis key, with a hash tag in braces so that Redis Cluster keeps them together',
  }),
  COMFYUI_URLS: Type.Optional(
    Type.String({
      pattern: '^\\s*https?://[^\\s,]+(\\s*,\\s*https?://[^\\s,]+)*\\s*,?\\s*$',
      description: 'Comma-separated http(s) addresses of the ComfyUI instances this worker drives',
    }),
  ),
  COMFYUI_INSTANCES_FILE: Type.Optional(
    Type.String({
      description:
        'In place of COMFYUI_URLS, a JSON or YAML file with an entry for each instance: address, headers, folders, pools, name',
    }),
  ),
  COMFYUI_OUTPUT_DIRS: Type.Optional(
    Type.String({
      description:
        'Comma-separated output folders of the ComfyUI instances, in the order of COMFYUI_URLS, where this worker sees their disks: it deletes pictures there once they are stored',
    }),
  ),
  COMFYUI_INPUT_DIRS: Type.Optional(
    Type.String({
      description:
        'As COMFYUI_OUTPUT_DIRS, the input folders: a picture is deleted there when no open job starts from it',
    }),
  ),
  FRAMES_STORE: Type.Enum(['file', 's3'], {
    default: 'file',
    description: 'Where pictures are kept: file, in FRAMES_DIR; s3, in S3_BUCKET, and no disk is shared',
  }),
  FRAMES_DIR: Type.String({
    default: '.data/frames',
    description: 'Folder of the pictures, shared by api, workers and dispatcher',
  }),
  S3_BUCKET: Type.Optional(
    Type.String({
      pattern: '^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$',
      description: 'Bucket of the pictures; credentials are found as the AWS SDK does (AWS_ACCESS_KEY_ID, a role, …)',
    }),
  ),
  S3_PREFIX: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*/?$',
      description: 'What the names in the bucket begin with, for a bucket that holds other things as well',
    }),
  ),
  S3_REGION: Type.String({ default: 'us-east-1', description: 'Region of the bucket' }),
  S3_ENDPOINT: Type.Optional(
    Type.String({
      pattern: '^https?://[^\\s/?#]+/?$',
      description: 'http(s) address of an S3 other than AWS (MinIO, Ceph, R2, …)',
    }),
  ),
  S3_PATH_STYLE: Type.Enum(['0', '1'], {
    default: '0',
    description: '1 puts the bucket into the path of the address, not before its host; most S3 other than AWS want it',
  }),
  S3_READS: Type.Enum(['proxied', 'presigned'], {
    default: 'proxied',
    description:
      'presigned: GET /images/… sends callers without a key on to the bucket, with a URL that is good for minutes; proxied: the API passes the bytes on',
  }),
  WORKFLOWS_DIR: Type.String({
    default: 'workflows',
    description: 'Folder of the workflow templates and lod-profiles.json',
  }),
  CHECKPOINT: Type.Optional(
    Type.String({
      maxLength: 255,
      description:
        'Checkpoint, as ComfyUI lists it, that takes the place of the one in the workflows; a request may name another',
    }),
  ),
  WORKER_NAME: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9._-]{1,64}$',
      description: 'Name of this worker, up to 64 of A-Z a-z 0-9 . _ -; default: the host name',
    }),
  ),
  WORKER_POOLS: Type.String({
    default: DEFAULT_POOL,
    pattern: `^\\s*${POOL}(\\s*,\\s*${POOL})*\\s*,?\\s*$`,
    description: 'Comma-separated pools whose jobs this worker takes; a pool is up to 32 of a-z 0-9 -',
  }),
  WORKER_HEALTH_PORT: integer(3001, 0, "Port of the worker's /livez, /readyz and /metrics; 0 takes a free one", 65_535),
  WORKER_HEALTH_HOST: Type.String({
    default: '127.0.0.1',
    description: "Address the worker's health server listens on",
  }),
  DISPATCHER_HEALTH_PORT: integer(
    3002,
    0,
    "Port of the dispatcher's /livez, /readyz and /metrics; 0 takes a free one",
    65_535,
  ),
  DISPATCHER_HEALTH_HOST: Type.String({
    default: '127.0.0.1',
    description: "Address the dispatcher's health server listens on",
  }),
  LOG_LEVEL: Type.Enum(['error', 'warn', 'info', 'debug'], {
    default: 'info',
    description: 'error, warn, info or debug',
  }),
  LOG_FORMAT: Type.Optional(
    Type.Enum(['json', 'pretty'], {
      description: 'json, or pretty for people; default: pretty where standard output is a terminal, else json',
    }),
  ),
  LOG_PROMPTS: Type.Enum(['0', '1'], {
    default: '0',
    description:
      '1 lets prompts into the logs: the worker writes that of each job it begins, and errors may quote them',
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(
    Type.String({
      pattern: '^https?://[^/\\s?#]+(/[^\\s?#]*)?$',
      description:
        'http(s) address of a collector of OpenTelemetry, to which traces are sent; not set: nothing is traced',
    }),
  ),
  // limits of a request
  MAX_PROMPT_CHARS: integer(4000, 1, 'Longest prompt and negative_prompt, in characters'),
  MAX_STEPS: integer(150, 1, 'Most sampling steps'),
  MAX_CFG: Type.Number({ default: 30, minimum: 0, description: 'Highest cfg' }),
  MIN_SIZE: integer(64, 16, 'Smallest width and height, in pixels'),
  MAX_SIZE: integer(2048, 64, 'Largest width and height, in pixels'),
  MAX_COUNT: integer(8, 1, 'Most pictures of one job'),
  MAX_METADATA_BYTES: integer(1024, 0, 'Most bytes of metadata, as JSON'),
  MAX_JSON_BYTES: integer(MIB, 1024, 'Largest JSON body, in bytes, besides the picture in it'),
  MAX_JSON_DEPTH: integer(64, 4, 'Deepest nesting of arrays and objects in a JSON body'),
  MAX_JSON_VALUES: integer(50_000, 100, 'Most values in a JSON body'),
  MAX_JSON_NAMES: integer(5000, 100, 'Most different names of fields in a JSON body'),
  MAX_NAME_BYTES: integer(1024, 64, 'Longest name of a field of a body, in bytes'),
  MAX_FORM_FIELDS: integer(32, 20, 'Most text fields of a form'),
  MAX_UNPACK_RATIO: integer(
    20,
    1,
    'Most bytes that a compressed body (gzip, deflate, br) may unpack to for each that arrived, beyond MAX_JSON_BYTES',
  ),
  MIN_UPLOAD_BYTES_PER_SECOND: integer(
    1024,
    1,
    'A body that arrives more slowly than this for ten seconds is answered 408 body_too_slow',
  ),
  MAX_IMAGE_BYTES: integer(20 * MIB, 1024, 'Largest uploaded picture, in bytes'),
  MAX_IMAGE_PIXELS: integer(40_000_000, 4096, 'Largest uploaded picture, in pixels'),
  MAX_DECODINGS: integer(2, 1, 'Pictures that one API decodes at a time; the others wait for their turn'),
  MAX_FETCHES: integer(16, 1, 'Pictures that one API fetches at a time for image_url; the others wait for their turn'),
  IMAGE_URL_TIMEOUT_MS: integer(15_000, 100, 'Longest time to fetch a picture named by image_url'),
  IMAGE_URL_ALLOW: targets('image_url may name although they are not public'),
  IMAGE_WIDTHS: Type.String({
    default: '64,128,256,384,512,768,1024,1536,2048',
    pattern: '^\\d{1,4}(,\\d{1,4})*$',
    description: 'Widths in pixels in which pictures can be had with ?width=',
  }),
  MAX_UPLOADING_BYTES: integer(
    512 * MIB,
    MIB,
    'Most bytes of /img2img bodies that one API holds at a time; more are refused with overloaded',
  ),
  KEY_UPLOADING_BYTES: integer(
    256 * MIB,
    MIB,
    'Most of MAX_UPLOADING_BYTES that one API key may use at a time; more is refused with rate_limited',
  ),
  MAX_STREAMS: integer(5000, 1, 'Most event streams that one API has open at a time'),
  KEY_STREAMS: integer(
    1000,
    1,
    'Most event streams of the jobs of one API key that one API has open at a time; more are refused with too_many_streams',
  ),
  MAX_BATCH_JOBS: integer(1000, 1, 'Most jobs in one POST /jobs/batch', 1000),
  MAX_WAIT_SECONDS: integer(60, 1, 'Longest ?wait= and Prefer: wait=', 600),
  // limits of a key that has none of its own in API_KEYS_FILE
  KEY_REQUESTS_PER_MINUTE: integer(6000, 1, 'Most requests of one API key a minute'),
  KEY_JOBS_WAITING: integer(2000, 1, 'Most jobs of one API key that wait'),
  KEY_JOBS_RESERVED: integer(
    20,
    0,
    'So many jobs each API key may have waiting even when others have filled MAX_OPEN_JOBS',
  ),
  KEY_JOBS_RUNNING: integer(1000, 1, 'Most jobs of one API key that workers hold at a time'),
  KEY_UPLOAD_BYTES_PER_DAY: integer(10 * 1024 * MIB, 0, 'Most bytes of pictures that one API key may send a day (UTC)'),
  KEY_JOBS_KEPT: integer(
    100_000,
    100,
    'Most ended jobs kept of one API key; the oldest are deleted, with their pictures, when there are more',
  ),
  // limits of the queue
  MAX_OPEN_JOBS: integer(10_000, 1, 'Most jobs accepted and not ended; more are refused with queue_full'),
  MAX_OVERTAKES: integer(
    100,
    0,
    'How many later jobs of its own key, of higher priority or a lower level of detail, may start before a job',
  ),
  MAX_QUEUED_SECONDS: integer(86_400, 1, 'A job still queued after this long expires'),
  MAX_ATTEMPTS: integer(3, 1, 'How often a job that ComfyUI loses is executed before it fails'),
  MAX_REFUSALS: integer(10, 1, 'How often instances may refuse or lose a job that has not begun before it fails'),
  MAX_INSTANCE_DEATHS: integer(
    2,
    1,
    'How many instances may die while they execute a job before it fails with instance_killed',
  ),
  MAX_WORKER_DEATHS: integer(
    10,
    1,
    'How often a worker may die while it holds a job before the job fails with worker_killed',
  ),
  JOB_TTL_SECONDS: integer(
    604_800,
    60,
    'How long an ended job is kept; one with a webhook from when that was delivered or failed',
  ),
  IDEMPOTENCY_TTL_SECONDS: integer(86_400, 60, 'How long an Idempotency-Key is remembered'),
  // webhooks
  WEBHOOK_SECRETS: Type.Optional(
    Type.String({
      pattern: `^${SECRET}(,${SECRET})?$`,
      writeOnly: true,
      description:
        'The whsec_… secret that signs webhooks without API_KEYS_FILE, or two while rotating; with it only the secrets of keys sign',
    }),
  ),
  WEBHOOK_ALLOW: targets('webhooks may call although they are not public'),
  WEBHOOK_TIMEOUT_MS: integer(10_000, 100, 'Longest wait for the answer to a webhook'),
  WEBHOOK_CONCURRENCY: integer(64, 1, 'Webhooks that one dispatcher delivers at a time'),
  WEBHOOK_PER_HOST: integer(4, 1, 'Webhooks that one dispatcher delivers to one host at a time'),
  WEBHOOK_RETRY_SECONDS: Type.String({
    default: '5,30,120,600,1800,3600,7200',
    pattern: '^\\d{1,6}(\\.\\d{1,3})?(,\\d{1,6}(\\.\\d{1,3})?)*$',
    description: 'Pauses between the tries of a webhook that was not taken; after the last try it has failed',
  }),
  // what is kept
  FRAMES_MAX_AGE_SECONDS: integer(604_800, 60, 'Pictures older than this are deleted, with their jobs'),
  FRAMES_MAX_BYTES: integer(
    50 * 1024 * MIB,
    MIB,
    'When all pictures together are larger, the oldest are deleted, with their jobs, but nothing of the last hour',
  ),
  MIN_FREE_BYTES: integer(
    1024 * MIB,
    0,
    'With less disk space than this where pictures are stored, new jobs are refused with storage_full and workers claim none; a bucket has no such bound',
  ),
  HOUSEKEEPING_SECONDS: integer(60, 1, 'How often old pictures and records are looked for'),
  // times
  REDIS_TIMEOUT_MS: integer(800, 50, 'Longest a request waits for Redis before it is answered 503'),
  LOCK_MS: integer(10_000, 500, 'A work item of a dead worker is handed out again after about this long'),
  STALLED_CHECK_MS: integer(5_000, 100, 'How often dead workers are looked for'),
  SWEEP_SECONDS: integer(5, 1, 'How often lost and expired jobs are looked for'),
  ANNOUNCE_SECONDS: integer(2, 1, 'How often a worker announces itself'),
  ABILITIES_SECONDS: integer(60, 1, 'How often a ComfyUI is asked which nodes and models it has'),
  COMFYUI_TIMEOUT_MS: integer(10_000, 100, 'Longest wait for an answer of ComfyUI (pictures: for each piece)'),
  POLL_MS: integer(1000, 20, 'How often a running prompt is looked up over HTTP when the socket says nothing'),
  ADOPT_WAIT_SECONDS: integer(
    60,
    0,
    "How long a dead worker's submission is left to that worker before it is rendered again",
  ),
  INTERRUPT_GRACE_SECONDS: integer(
    30,
    1,
    'How long an execution may go on after its first interrupt; then its job ends without it, and the instance is wedged',
  ),
  COMFYUI_RESTART_COMMAND: Type.Optional(
    Type.String({
      description:
        'Shell command that restarts a ComfyUI that is wedged or broken, named by COMFY_FLEET_INSTANCE, COMFY_FLEET_URL and COMFY_FLEET_REASON; not set: you restart it yourself',
    }),
  ),
  RESTART_TIMEOUT_SECONDS: integer(120, 1, 'How long that command may take; then it is ended'),
  RESTART_WAIT_SECONDS: integer(
    60,
    1,
    'Pause after a restart that did not help; it doubles each time, up to half an hour',
  ),
  RESTARTS_PER_HOUR: integer(4, 1, 'Most restarts of one instance within an hour'),
  STORE_RETRY_SECONDS: integer(
    60,
    0,
    'How long storing a finished picture, or reading one that a job starts from, is tried again before the job fails; while no picture at all can be stored it waits instead',
  ),
  FAILURES_TO_REST: integer(
    3,
    2,
    'Different jobs that fail in a row on an instance, for reasons that may be its own, before it rests',
  ),
  REST_SECONDS: integer(
    10,
    1,
    'How long an instance that failed jobs rests before it is tried with one job; each rest in a row is twice as long',
  ),
  MAX_REST_SECONDS: integer(600, 1, 'Longest rest of an instance'),
  BEGIN_SECONDS: integer(
    60,
    1,
    'How long a prompt may wait in a ComfyUI that executes nothing, before its job goes elsewhere and the instance rests',
  ),
  SLOW_FACTOR: Type.Number({
    default: 3,
    minimum: 1.5,
    description: 'An instance that takes this many times as long as its peers for like work is named in /fleet',
  }),
  UNREADY_SECONDS: integer(
    0,
    0,
    'How long a stopping API goes on taking requests while its /readyz says 503, so that load balancers turn away first',
  ),
  DRAIN_SECONDS: integer(60, 0, 'How long a stopping worker lets its running job go on'),
});

export type Settings = Static<typeof settingsSchema>;
