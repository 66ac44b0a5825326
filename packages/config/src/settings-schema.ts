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

/** One model of OpenAI and what it stands for, to be repeated in a list. */
const ALIAS = '[A-Za-z0-9._:/-]+=[A-Za-z0-9._-]+(@[a-z_]+)?';

const onOff = (value: 'on' | 'off', description: string) => Type.Enum(['on', 'off'], { default: value, description });

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
      description: 'http(s) address under which callers reach the API; if set, URLs in answers are absolute',
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
      description: 'JSON file with the API keys, read again when it changes; without it no key is needed',
    }),
  ),
  ALLOWED_NODES_FILE: Type.Optional(
    Type.String({
      description:
        'JSON file with the node classes and packs that graphs of API keys may use besides the reviewed classes of ComfyUI',
    }),
  ),
  ALLOW_ANONYMOUS: Type.Enum(['0', '1'], {
    default: '0',
    description: '1 lets an API without API_KEYS_FILE listen on other addresses than loopback',
  }),
  STUDIO: onOff('on', 'The pages for people at /studio, to which / sends browsers'),
  COMFYUI_API: onOff('on', "ComfyUI's own API at /comfyui, for clients of ComfyUI"),
  COMFYUI_PORT: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 65_535,
      description:
        "Port on which ComfyUI's own API is served at the root, for clients that take no path; 0 takes a free one",
    }),
  ),
  COMFYUI_MAX_HISTORY: integer(
    200,
    1,
    "Most entries that GET /history of ComfyUI's API answers, the newest; clients poll it several times a second",
    10_000,
  ),
  COMFYUI_CACHE_BYTES: integer(
    64 * MIB,
    MIB,
    "Memory of one API process for entries of ComfyUI's queue and history that do not change any more, twice this much at most",
  ),
  COMFY_V2_API: onOff('on', 'The Comfy API v2 at /api/v2'),
  OPENAI_API: onOff('on', "OpenAI's images API at /v1"),
  OPENAI_MODEL_ALIASES: Type.String({
    default: 'dall-e-3=text2img,gpt-image-1=text2img@final',
    pattern: `^(\\s*${ALIAS}(\\s*,\\s*${ALIAS})*\\s*)?$`,
    description:
      "Comma-separated names of OpenAI's models, each with the workflow, or workflow@lod, that it stands for",
  }),
  OPENAI_CANCEL_ON_DISCONNECT: onOff(
    'off',
    "on cancels the job of a caller of OpenAI's images API who goes away before the answer",
  ),
  CORS_ORIGINS: Type.Optional(
    Type.String({
      pattern: '^\\s*(\\*|https?://[^\\s,/]+(\\s*,\\s*https?://[^\\s,/]+)*)\\s*$',
      description: 'Comma-separated origins whose pages may call the API, or *; not set: only its own pages',
    }),
  ),
  IMAGES: Type.Enum(['signed', 'public'], {
    default: 'signed',
    description:
      'signed: if there are API keys, a picture needs the key of its job or a signed URL that expires; public: its name is enough',
  }),
  SIGNED_URL_SECONDS: integer(86_400, 60, 'Minimum time for which a signed URL in an answer is valid', 604_800),
  REDIS_URL: Type.String({
    default: 'redis://127.0.0.1:6379',
    pattern: '^rediss?://',
    writeOnly: true, // it may hold a password
    description: 'redis:// or rediss:// (TLS) address of Redis, with user and password if it requires them',
  }),
  REDIS_SENTINELS: nodes(
    'Sentinels, which name the primary; then only user, password, database and TLS of REDIS_URL are used',
  ),
  REDIS_SENTINEL_NAME: Type.String({
    default: 'mymaster',
    description: 'Name under which the Sentinels know the primary',
  }),
  REDIS_SENTINEL_PASSWORD: Type.Optional(
    Type.String({ writeOnly: true, description: 'Password of the Sentinels themselves, if they require one' }),
  ),
  REDIS_CLUSTER: nodes('nodes of a Redis Cluster; then only user, password and TLS of REDIS_URL are used'),
  REDIS_CA_FILE: pemFile('the certificate authorities for Redis; not set: those of Node'),
  REDIS_CERT_FILE: pemFile('the client certificate for Redis, if it requires one'),
  REDIS_KEY_FILE: pemFile('the private key of that certificate'),
  // Read by the local runner and by Compose.
  REDIS_MAXMEMORY: Type.Optional(
    Type.String({
      pattern: '^[1-9]\\d*([kKmMgG][bB]?)?$',
      description:
        "Memory of the Redis that npm start or Compose runs, in bytes or such as 2gb; not set: a quarter of the machine's, with Compose 1gb",
    }),
  ),
  REDIS_WAIT_REPLICAS: integer(
    0,
    0,
    'Number of replicas that must have a job before it is accepted, and a prompt id before ComfyUI gets the prompt: all there are, for a failover may promote any of them',
  ),
  REDIS_WAIT_MS: integer(
    500,
    10,
    'Longest wait for these replicas, in ms; then a request for a new job is answered 503',
  ),
  KEY_PREFIX: Type.String({
    default: '{comfy-fleet}',
    pattern: '^[A-Za-z0-9_-]*\\{[A-Za-z0-9_-]+\\}[A-Za-z0-9_-]*$',
    description: 'Prefix of every Redis key, with a hash tag in braces that keeps all keys on one node of a Cluster',
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
        'Instead of COMFYUI_URLS: JSON or YAML file with an entry for each instance (address, headers, folders, pools, name)',
    }),
  ),
  COMFYUI_OUTPUT_DIRS: Type.Optional(
    Type.String({
      description:
        'Comma-separated output folders of the ComfyUI instances, in the order of COMFYUI_URLS, if this worker can access them: it deletes pictures there once they are stored, and finds there what was finished before a restart of ComfyUI',
    }),
  ),
  COMFYUI_INPUT_DIRS: Type.Optional(
    Type.String({
      description:
        'Like COMFYUI_OUTPUT_DIRS, but the input folders: a picture is deleted there when no open job needs it',
    }),
  ),
  COMFYUI_TEMP_DIRS: Type.Optional(
    Type.String({
      description:
        'Like COMFYUI_OUTPUT_DIRS, but the temporary folders: previews are deleted there when their job has ended',
    }),
  ),
  FRAMES_STORE: Type.Enum(['file', 's3'], {
    default: 'file',
    description: 'Where pictures are kept: file: in FRAMES_DIR; s3: in S3_BUCKET, without a shared disk',
  }),
  FRAMES_DIR: Type.String({
    default: '.data/frames',
    description: 'Folder of the pictures, shared by api, workers and dispatcher',
  }),
  S3_BUCKET: Type.Optional(
    Type.String({
      pattern: '^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$',
      description: 'Bucket of the pictures; the AWS SDK finds the credentials (AWS_ACCESS_KEY_ID, a role, …)',
    }),
  ),
  S3_PREFIX: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*/?$',
      description: 'Prefix of all names in the bucket, for a bucket that you also use for other things',
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
    description: '1 puts the bucket into the path of the URL, not before the host; most S3 other than AWS need this',
  }),
  S3_READS: Type.Enum(['proxied', 'presigned'], {
    default: 'proxied',
    description:
      'presigned: GET /images/… redirects callers without a key to the bucket, with a URL that is valid for minutes; proxied: the API serves the pictures',
  }),
  WORKFLOWS_DIR: Type.String({
    default: 'workflows',
    description: 'Folder of the workflow templates and lod-profiles.json',
  }),
  MAX_WORKFLOW_VERSIONS: integer(20, 1, 'Versions of each workflow published through the API that are kept', 1000),
  MAX_WORKFLOW_BYTES: integer(
    MIB / 2,
    1024,
    'Largest workflow published, or graph sent, through the API, in bytes of JSON; in a picture the JSON in it counts, and the picture like any other',
    16 * MIB,
  ),
  MAX_SOCKET_BUFFER_BYTES: integer(
    MIB,
    64 * 1024,
    'Bytes that may wait for a slow WebSocket before it is closed; before that it gets no previews. A picture that is sent as one does not count',
    64 * MIB,
  ),
  MAX_ORIGIN_BYTES: integer(
    MIB,
    1024,
    'Most bytes of JSON of what is kept of an order for the answers of the API that it came by, such as extra_data of POST /comfyui/prompt; a workflow for pictures is part of that',
    16 * MIB,
  ),
  MAX_GRAPH_NODES: integer(500, 1, 'Most nodes of a graph sent to POST /graphs', 10_000),
  CHECKPOINT: Type.Optional(
    Type.String({
      maxLength: 255,
      description:
        'Checkpoint, as ComfyUI lists it, that replaces the one in the workflows of WORKFLOWS_DIR; a request may choose another',
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
      '1 allows prompts in the logs: the worker logs the prompt of each job it submits, and errors may quote it',
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(
    Type.String({
      pattern: '^https?://[^/\\s?#]+(/[^\\s?#]*)?$',
      description: 'http(s) address of an OpenTelemetry collector to send traces to; not set: no traces',
    }),
  ),
  // limits of a request
  MAX_PROMPT_CHARS: integer(4000, 1, 'Longest prompt and negative_prompt, in characters'),
  MAX_STEPS: integer(150, 1, 'Most sampling steps'),
  MAX_CFG: Type.Number({ default: 30, minimum: 0, description: 'Highest cfg' }),
  MIN_SIZE: integer(64, 16, 'Smallest width and height, in pixels'),
  MAX_SIZE: integer(2048, 64, 'Largest width and height, in pixels'),
  MAX_COUNT: integer(8, 1, 'Most pictures of one job'),
  MAX_JOB_PIXELS: integer(
    1_000_000_000,
    4096,
    'Most pixels that the nodes of one job make: width × height × pictures × frames of latents and images, and of what scales, repeats and joins them',
  ),
  MAX_GPU_SECONDS: integer(
    3600,
    1,
    'Longest execution of a job, which is then interrupted. lod-profiles.json and keys can have shorter ones, inputs files any (deadline_seconds)',
    86_400,
  ),
  MAX_METADATA_BYTES: integer(1024, 0, 'Most bytes of metadata, as JSON'),
  MAX_JSON_BYTES: integer(MIB, 1024, 'Largest JSON body, in bytes, not counting the picture in it'),
  MAX_JSON_DEPTH: integer(64, 4, 'Deepest nesting of arrays and objects in a JSON body'),
  MAX_JSON_VALUES: integer(50_000, 100, 'Most values in a JSON body'),
  MAX_JSON_NAMES: integer(5000, 100, 'Most different names of fields in a JSON body'),
  MAX_NAME_BYTES: integer(1024, 64, 'Longest name of a field of a body, in bytes'),
  MAX_FORM_FIELDS: integer(32, 20, 'Most text fields of a form'),
  MAX_FORM_FILES: integer(16, 1, 'Most files of a form', 100),
  MAX_UNPACK_RATIO: integer(
    20,
    1,
    'Beyond MAX_JSON_BYTES, a compressed body (gzip, deflate, br) may unpack to at most this many times its size',
  ),
  MIN_UPLOAD_BYTES_PER_SECOND: integer(
    1024,
    1,
    'A body that arrives more slowly than this for ten seconds is answered 408 body_too_slow',
  ),
  MAX_IMAGE_BYTES: integer(
    20 * MIB,
    1024,
    'Largest uploaded picture, and largest stored one that is converted or that a job starts from, in bytes',
  ),
  MAX_IMAGE_PIXELS: integer(40_000_000, 4096, 'Largest uploaded picture, in pixels'),
  MAX_ASSET_BYTES: integer(
    2 * 1024 * MIB,
    1024,
    'Largest file of POST /assets, and of another kind than a picture, in bytes',
    // S3 copies no more at once
    5 * 1024 * MIB,
  ),
  MAX_ASSET_URLS: integer(32, 1, 'Most different URLs that one job may name for its files', 1000),
  ASSET_URL_TIMEOUT_MS: integer(
    60_000,
    100,
    'Longest time to fetch a file, other than a picture of img2img, by its URL',
    100_000,
  ),
  FFMPEG_PATH: Type.String({
    default: 'ffmpeg',
    minLength: 1,
    description: 'The ffmpeg that makes ?poster of videos; without it there are none',
  }),
  MAX_OUTPUT_BYTES: integer(
    4096 * MIB,
    1024,
    'Largest file that a workflow may make, in bytes; a job with a larger one fails with output_too_large',
  ),
  MAX_OUTPUTS: integer(1000, 1, 'Most files and texts that a job may make; one that makes more fails', 9999),
  MAX_DECODINGS: integer(2, 1, 'Pictures that one API process decodes at a time; others wait'),
  MAX_FETCHES: integer(16, 1, 'Pictures that one API process fetches at a time for image_url; others wait'),
  IMAGE_URL_TIMEOUT_MS: integer(15_000, 100, 'Longest time to fetch a picture named by image_url'),
  IMAGE_URL_ALLOW: targets('image_url may name although they are not public'),
  IMAGE_WIDTHS: Type.String({
    default: '64,128,256,384,512,768,1024,1536,2048',
    pattern: '^\\d{1,4}(,\\d{1,4})*$',
    description: 'Widths in pixels that ?width= accepts',
  }),
  MAX_UPLOADING_BYTES: integer(
    512 * MIB,
    MIB,
    'Most bytes of uploads, and of pictures that it converted for answers, that one API process holds at a time; more are refused with overloaded',
  ),
  KEY_UPLOADING_BYTES: integer(
    256 * MIB,
    MIB,
    'Most of MAX_UPLOADING_BYTES that one API key may use at a time; more is refused with rate_limited',
  ),
  MAX_STREAMS: integer(5000, 1, 'Most event streams that one API process has open at a time'),
  KEY_STREAMS: integer(
    1000,
    1,
    'Most event streams of one API key that one API process has open at a time; more are refused with too_many_streams',
  ),
  KEY_STREAMS_RESERVED: integer(
    10,
    0,
    'Event streams that each API key may have open even if others have filled MAX_STREAMS',
  ),
  MAX_BATCH_JOBS: integer(1000, 1, 'Most jobs in one POST /jobs/batch', 1000),
  MAX_WAIT_SECONDS: integer(60, 1, 'Longest ?wait= and Prefer: wait=', 600),
  // limits of a key that has none of its own in API_KEYS_FILE
  KEY_REQUESTS_PER_MINUTE: integer(6000, 1, 'Most requests of one API key per minute'),
  KEY_JOBS_WAITING: integer(2000, 1, 'Most waiting jobs of one API key'),
  KEY_JOBS_RESERVED: integer(20, 0, 'Waiting jobs that each API key may have even if others have filled MAX_OPEN_JOBS'),
  KEY_JOBS_RUNNING: integer(1000, 1, 'Most jobs of one API key that workers hold at a time; others wait'),
  KEY_UPLOAD_BYTES_PER_DAY: integer(
    10 * 1024 * MIB,
    0,
    'Most bytes of files, and of graphs that are stored as files, that one API key may upload per day (UTC)',
  ),
  KEY_JOBS_KEPT: integer(
    100_000,
    100,
    'Most ended jobs kept of one API key; beyond that the oldest are deleted with their pictures',
  ),
  KEY_JOB_BYTES: integer(
    256 * MIB,
    16 * MIB,
    'Most bytes that the waiting and ended jobs of one API key hold: records, graphs and their extra data, in Redis or in files. More are refused with queue_full; beyond three quarters the oldest ended jobs are deleted, but none of the last ten minutes. A key has at most one asset for each 4 KiB of it',
  ),
  // limits of the queue
  MAX_OPEN_JOBS: integer(10_000, 1, 'Most open jobs (accepted and not ended); more are refused with queue_full'),
  MAX_OVERTAKES: integer(
    500,
    0,
    'How many later jobs of the same key may overtake a job: those of higher priority or lower level of detail, and those whose models an instance holds',
  ),
  MODEL_PATIENCE_SECONDS: integer(
    30,
    0,
    'How long a job whose turn it is may be passed by for jobs whose models an instance already holds; 0: never',
  ),
  MAX_QUEUED_SECONDS: integer(86_400, 1, 'How long a job may wait in the queue before it expires'),
  MAX_ATTEMPTS: integer(3, 1, 'How many times a job is executed if ComfyUI loses it, before it fails'),
  MAX_REFUSALS: integer(10, 1, 'How many times instances may refuse or lose a job that has not begun, before it fails'),
  MAX_INSTANCE_DEATHS: integer(
    2,
    1,
    'How many instances may die, or fall silent for UNREACHABLE_SECONDS, while they execute a job before it fails with instance_killed',
  ),
  MAX_WORKER_DEATHS: integer(
    10,
    1,
    'How many times a worker may die while it holds a job, before the job fails with worker_killed',
  ),
  JOB_TTL_SECONDS: integer(
    604_800,
    60,
    'How long an ended job is kept, counted from when its webhook, if any, was delivered or failed',
  ),
  IDEMPOTENCY_TTL_SECONDS: integer(
    86_400,
    60,
    'How long an Idempotency-Key is remembered; those of one API key hold a quarter of KEY_JOB_BYTES besides, then the oldest are forgotten earlier',
  ),
  // webhooks
  WEBHOOK_SECRETS: Type.Optional(
    Type.String({
      pattern: `^${SECRET}(,${SECRET})?$`,
      writeOnly: true,
      description:
        'The whsec_… secret that signs webhooks, or two while rotating; not used with API_KEYS_FILE, where each key has its own',
    }),
  ),
  WEBHOOK_ALLOW: targets('webhooks may call although they are not public'),
  WEBHOOK_TIMEOUT_MS: integer(10_000, 100, 'Longest wait for the answer to a webhook'),
  WEBHOOK_CONCURRENCY: integer(64, 1, 'Webhooks that one dispatcher delivers at a time'),
  WEBHOOK_PER_HOST: integer(4, 1, 'Webhooks that one dispatcher delivers to one host at a time'),
  WEBHOOK_RETRY_SECONDS: Type.String({
    default: '5,30,120,600,1800,3600,7200',
    pattern: '^\\d{1,6}(\\.\\d{1,3})?(,\\d{1,6}(\\.\\d{1,3})?)*$',
    description: 'Pauses between the attempts to deliver a webhook; after the last attempt it has failed',
  }),
  // what is kept
  FRAMES_MAX_AGE_SECONDS: integer(604_800, 60, 'Pictures older than this are deleted, with their jobs'),
  ASSET_TTL_SECONDS: Type.Optional(
    Type.Integer({
      minimum: 60,
      description:
        'Assets, and other files that jobs start from, are deleted when they were not used for so long; if not set, as FRAMES_MAX_AGE_SECONDS',
    }),
  ),
  FRAMES_MAX_BYTES: integer(
    50 * 1024 * MIB,
    MIB,
    'If all pictures together exceed this, the oldest of the API keys that exceed their equal shares are deleted with their jobs, but none of the last hour',
  ),
  MIN_FREE_BYTES: integer(
    1024 * MIB,
    0,
    'With less free disk space for pictures than this, new jobs are refused with storage_full and workers claim none; not used for buckets',
  ),
  TIMELINE_ENTRIES: integer(
    720,
    1,
    'Executions of each instance that GET /fleet/timeline remembers, those of the last hour; 720 is one each five seconds',
    10_000,
  ),
  HISTORY_STEP_SECONDS: integer(
    15,
    5,
    'How often the numbers of GET /fleet/history are noted, and the alerts of GET /fleet/alerts judged',
    60,
  ),
  HOUSEKEEPING_SECONDS: integer(60, 1, 'How often old pictures and records are deleted'),
  // times
  REDIS_TIMEOUT_MS: integer(
    800,
    50,
    'Longest a request waits for an answer of Redis before it is answered 503; new jobs are sent to Redis a second time first',
  ),
  LOCK_MS: integer(10_000, 500, "After about this time a dead worker's jobs go to other workers"),
  STALLED_CHECK_MS: integer(5_000, 100, 'How often to check for dead workers'),
  SWEEP_SECONDS: integer(5, 1, 'How often to check for lost and expired jobs'),
  ANNOUNCE_SECONDS: integer(2, 1, 'How often a worker announces itself'),
  ABILITIES_SECONDS: integer(60, 1, 'How often a ComfyUI is asked which nodes and models it has'),
  MAX_CATALOGUE_BYTES: integer(
    67_108_864,
    1_048_576,
    'The most that a ComfyUI may say of its nodes and models; with more, nobody knows what it has, and it is given any job',
  ),
  COMFYUI_TIMEOUT_MS: integer(
    10_000,
    100,
    'Longest wait for an answer from ComfyUI (for files: for each chunk; a file must also come at 128 KiB per second or more)',
  ),
  POLL_MS: integer(1000, 20, 'How often to poll a running prompt over HTTP when the socket is silent'),
  ADOPT_WAIT_SECONDS: integer(
    60,
    0,
    'How long other workers wait for a dead worker to return to its prompt, before they render the job again',
  ),
  UNREACHABLE_SECONDS: integer(
    30,
    1,
    'How long a prompt is waited for on an instance that cannot be reached; then the job is tried on another one. A restart of ComfyUI takes seconds',
  ),
  INTERRUPT_GRACE_SECONDS: integer(
    30,
    1,
    'How long an execution may go on after its first interrupt; then its job ends, and the instance counts as wedged',
  ),
  COMFYUI_RESTART_COMMAND: Type.Optional(
    Type.String({
      description:
        'Shell command that restarts a wedged or broken ComfyUI, with COMFY_FLEET_INSTANCE, COMFY_FLEET_URL and COMFY_FLEET_REASON (an error code) in its environment; not set: you restart it yourself',
    }),
  ),
  RESTART_TIMEOUT_SECONDS: integer(120, 1, 'How long that command may take before it is killed'),
  RESTART_WAIT_SECONDS: integer(
    60,
    1,
    'Pause after a restart that did not help; it doubles each time, up to half an hour',
  ),
  RESTARTS_PER_HOUR: integer(4, 1, 'Most restarts of one instance within an hour'),
  WARM_UP_WORKFLOW: Type.Optional(
    Type.String({
      description:
        'Workflow that each ComfyUI runs before it gets jobs, when its worker starts and after every restart of the ComfyUI, so that the models are loaded; not set: none',
    }),
  ),
  WARM_UP_INPUTS: Type.Optional(
    Type.String({
      description:
        'Body of a request for that workflow, as JSON: of POST /generate for text2img, else of POST /workflows/:name; not set: {"prompt":"warm up","lod":"sketch"} for text2img, and no inputs for any other',
    }),
  ),
  STORE_RETRY_SECONDS: integer(
    60,
    0,
    'How long to retry storing a finished picture, or reading an input picture, before the job fails; while no picture at all can be stored, the job waits instead',
  ),
  FAILURES_TO_REST: integer(
    3,
    2,
    'Number of different jobs that must fail in a row on an instance, possibly through its fault, before it rests',
  ),
  REST_SECONDS: integer(
    10,
    1,
    'How long such an instance rests before it is tried with a test prompt and one job; each further rest is twice as long',
  ),
  MAX_REST_SECONDS: integer(600, 1, 'Longest rest of an instance'),
  BEGIN_SECONDS: integer(
    60,
    1,
    'How long a prompt may wait in a ComfyUI that executes nothing, before its job goes to another instance and this one rests',
  ),
  SLOW_FACTOR: Type.Number({
    default: 3,
    minimum: 1.5,
    description:
      'An instance that takes this many times as long as its peers for similar work is reported as slow in /fleet',
  }),
  UNREADY_SECONDS: integer(
    0,
    0,
    'How long a stopping API keeps serving while its /readyz is 503, so load balancers can stop sending requests first',
  ),
  DRAIN_SECONDS: integer(60, 0, 'How long a stopping worker waits for its running jobs'),
});

export type Settings = Static<typeof settingsSchema>;
