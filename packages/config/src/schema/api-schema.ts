import Type from 'typebox';
import {
  choices,
  flag,
  integer,
  listOf,
  mapped,
  onOff,
  optional,
  optionalPath,
  optionalText,
  setting,
  targets,
  text,
  withoutSlash,
} from '../setting.js';

const MIB = 1024 * 1024;

/** One OpenAI model and the workflow it stands for, to be repeated in a list. */
const ALIAS = '[A-Za-z0-9._:/-]+=[A-Za-z0-9._-]+(@[a-z_]+)?';

/** What callers may do, and how the API serves them. */
export const apiSchema = {
  http: {
    host: text('HOST', '127.0.0.1', 'Address the API listens on'),
    port: integer('PORT', 3000, 0, 'Port of the API; 0 takes a free one', 65_535),
    publicUrl: mapped(
      optionalText(
        'PUBLIC_URL',
        'http(s) address under which callers reach the API; if set, URLs in answers are absolute',
        '^https?://[^/\\s?#]+(/[^\\s?#]*)?$',
      ),
      (url) => url && withoutSlash(url),
    ),
    metricsPort: integer(
      'API_METRICS_PORT',
      3003,
      0,
      "Port of the API's /metrics, /livez and /readyz, which need no key; 0 takes a free one",
      65_535,
    ),
    corsOrigins: listOf(
      'CORS_ORIGINS',
      'Comma-separated origins whose pages may call the API, or *; not set: only its own pages',
      '^\\s*(\\*|https?://[^\\s,/]+(\\s*,\\s*https?://[^\\s,/]+)*)\\s*$',
    ),
    studio: onOff('STUDIO', 'on', 'The pages for people at /studio, to which / sends browsers'),
    unreadyMs: mapped(
      integer(
        'UNREADY_SECONDS',
        0,
        0,
        'How long a stopping API keeps serving while its /readyz is 503, so load balancers can stop sending requests first',
      ),
      (seconds) => seconds * 1000,
    ),
    /** Not counting a picture in the body. */
    maxJsonBytes: MIB,
    /** Limits of a JSON body. `names` counts distinct names; `nameBytes` applies to forms too. */
    json: { depth: 64, values: 50_000, names: 5000, nameBytes: 1024 },
    maxFormFields: 32,
    maxFormFiles: 16,
    /** A body that arrives more slowly for ten seconds is answered 408 body_too_slow. */
    minUploadBytesPerSecond: 1024,
    /** Longest ?wait= and Prefer: wait=. */
    maxWaitSeconds: 60,
    maxBatchJobs: 1000,
    /** Total size of bodies and converted pictures that one process holds at a time. JSON counts twice: as bytes and as text. */
    maxUploadingBytes: 512 * MIB,
    maxUploadingBytesOfKey: 256 * MIB,
    /** What each key may send even if others use up maxUploadingBytes: the largest picture as base64 in JSON. */
    uploadingBytesReserved: 64 * MIB,
    /** Event streams, sockets, downloads and requests that wait for the end of a job, of one process. */
    streams: {
      most: integer(
        'MAX_STREAMS',
        5000,
        1,
        'Most event streams, sockets, downloads and requests that wait for a job in one API process at a time',
      ),
      mostOfKey: integer(
        'KEY_STREAMS',
        1000,
        1,
        'Most event streams, sockets, downloads and waiting requests of one API key in one API process at a time; more are refused with too_many_streams',
      ),
      /** Streams that each key may open even if others have filled MAX_STREAMS. */
      reservedForKey: 10,
    },
    /** Large responses of one process: those that are not read fill the kernel's buffers. */
    downloads: { most: 500, mostOfKey: 100, reservedForKey: 10 },
    /** Event streams that get previews, of one process. */
    previews: { most: 500, mostOfKey: 10, reservedForKey: 1 },
    /** Bytes that may wait for a slow WebSocket before it is closed. While bytes wait, it gets no previews. */
    maxSocketBufferBytes: MIB,
  },
  /** Other people's APIs. */
  compat: {
    apis: choices(
      'COMPATIBLE_APIS',
      'comfyui,comfy-v2,openai',
      '(comfyui|comfy-v2|openai)',
      "Comma-separated APIs that are served besides the fleet's own: ComfyUI's at /comfyui, the Comfy API v2 at /api/v2, OpenAI's images API at /v1",
    ),
    comfyuiPort: optional(
      'COMFYUI_PORT',
      Type.Integer({
        minimum: 0,
        maximum: 65_535,
        description:
          "Port on which ComfyUI's own API is served at the root, for clients that take no path; 0 takes a free one",
      }),
    ),
    /** The newest entries that GET /history returns; clients poll it several times a second. */
    comfyuiMaxHistory: 200,
    /** Memory for graphs and extra data of prompts in queue and history, which clients poll. */
    comfyuiCacheBytes: 64 * MIB,
    /** By OpenAI's name: `workflow` or `workflow@lod`. */
    openaiAliases: mapped(
      listOf(
        'OPENAI_MODEL_ALIASES',
        "Comma-separated names of OpenAI's models, each with the workflow, or workflow@lod, that it stands for",
        `^(\\s*${ALIAS}(\\s*,\\s*${ALIAS})*\\s*)?$`,
        'dall-e-3=text2img,gpt-image-1=text2img@final',
      ),
      (all): Readonly<Record<string, string>> => Object.fromEntries(all.map((one) => one.split('=', 2))),
    ),
  },
  access: {
    keysFile: optionalPath(
      'API_KEYS_FILE',
      'JSON file with the API keys, read again when it changes; without it no key is needed',
    ),
    allowedNodesFile: optionalPath(
      'ALLOWED_NODES_FILE',
      'JSON file with the node classes and packs that graphs of API keys may use besides the reviewed classes of ComfyUI',
    ),
    allowAnonymous: flag(
      'ALLOW_ANONYMOUS',
      '1 lets an API without API_KEYS_FILE listen on other addresses than loopback',
    ),
    publicImages: setting(
      'IMAGES',
      Type.Enum(['signed', 'public'], {
        default: 'signed',
        description:
          'signed: if there are API keys, a picture needs the key of its job or a signed URL that expires; public: its name is enough',
      }),
      (text) => text === 'public',
    ),
    signedUrlSeconds: integer(
      'SIGNED_URL_SECONDS',
      86_400,
      60,
      'Minimum time for which a signed URL in an answer is valid',
      604_800,
    ),
    /** Limits of keys without their own. */
    keyLimits: {
      requestsPerMinute: integer('KEY_REQUESTS_PER_MINUTE', 6000, 1, 'Most requests of one API key per minute'),
      jobsWaiting: integer('KEY_JOBS_WAITING', 2000, 1, 'Most waiting jobs of one API key'),
      /** Waiting jobs that each key may have even if others have filled MAX_OPEN_JOBS. */
      jobsReserved: 20,
      jobsRunning: integer(
        'KEY_JOBS_RUNNING',
        1000,
        1,
        'Most jobs of one API key that workers hold at a time; others wait',
      ),
      uploadBytesPerDay: integer(
        'KEY_UPLOAD_BYTES_PER_DAY',
        10 * 1024 * MIB,
        0,
        'Most bytes of files, and of graphs that are stored as files, that one API key may upload per day (UTC)',
      ),
    },
  },
  /** Limits of a request. */
  limits: {
    maxPromptChars: 4000,
    maxSteps: integer('MAX_STEPS', 150, 1, 'Most sampling steps'),
    maxCfg: setting('MAX_CFG', Type.Number({ default: 30, minimum: 0, description: 'Highest cfg' })),
    minSize: 64,
    maxSize: integer('MAX_SIZE', 2048, 64, 'Largest width and height, in pixels'),
    maxCount: integer('MAX_COUNT', 8, 1, 'Most pictures of one job'),
    maxJobPixels: integer(
      'MAX_JOB_PIXELS',
      500_000_000,
      4096,
      'Most pixels that the nodes of one job make: width × height × pictures × frames of latents and images, of files that are decoded, and of what scales, repeats and joins them. Three samples of a sound count as a pixel, since ComfyUI keeps either in 12 bytes. While it decodes a video, which is copied once, it takes twice that: the default takes 12 GB, of a host with 16. Workers have ComfyUI drop the cached results of ended jobs before these and those of the next job take more',
    ),
    maxMetadataBytes: 1024,
    maxQueuedSeconds: integer(
      'MAX_QUEUED_SECONDS',
      86_400,
      1,
      'How long a job may wait in the queue before it expires',
    ),
  },
  images: {
    maxBytes: integer(
      'MAX_IMAGE_BYTES',
      20 * MIB,
      1024,
      'Largest uploaded picture, and largest stored one that is converted or that a job starts from, in bytes',
    ),
    maxPixels: integer('MAX_IMAGE_PIXELS', 40_000_000, 4096, 'Largest uploaded picture, in pixels'),
    /** In pixels, for ?width=. */
    widths: [64, 128, 256, 384, 512, 768, 1024, 1536, 2048],
    fetchAllow: targets('IMAGE_URL_ALLOW', 'image_url may name although they are not public'),
    /** After this time the process that decodes a file is killed. The largest picture takes less on a slow machine. */
    decodeSeconds: 30,
  },
  assets: {
    maxBytes: integer(
      'MAX_ASSET_BYTES',
      2 * 1024 * MIB,
      1024,
      'Largest file of POST /assets, and of another kind than a picture, in bytes', // S3 copies no more at once
      5 * 1024 * MIB,
    ),
    /** Distinct URLs that one job may name. */
    maxUrls: 32,
  },
};
