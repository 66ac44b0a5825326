import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { RequestLimits } from '@comfy-fleet/contracts';
import { ConfigError } from './config-error.js';
import type { Environment } from './environment.js';
import type { InstanceFolders } from './instances/parse-instances.js';
import { ownPorts } from './own-ports.js';
import { readSettings } from './read-settings.js';
import { type RedisSettings, redisFaults, toRedisSettings } from './redis-settings.js';
import { type Settings, settingsSchema } from './settings-schema.js';
import { toWarmUp, type WarmUpSettings, warmUpFaults } from './warm-up.js';

/** The settings by their users, in the units that their names end in. Frozen. */
export interface Config {
  readonly log: {
    readonly level: Settings['LOG_LEVEL'];
    /** Undefined: as the output is read. */
    readonly format: Settings['LOG_FORMAT'];
    /** Whether prompts may be in it. */
    readonly prompts: boolean;
  };
  /** Where traces are sent; undefined: nothing is traced. */
  readonly tracing: { readonly endpoint: string | undefined };
  readonly http: {
    readonly host: string;
    readonly port: number;
    /** Without a slash at its end; absent: URLs in answers are root-relative. */
    readonly publicUrl: string | undefined;
    readonly maxJsonBytes: number;
    /** What a JSON body may have in it. */
    readonly json: {
      readonly depth: number;
      readonly values: number;
      /** Different ones. */
      readonly names: number;
      /** Of each; also in a form. */
      readonly nameBytes: number;
    };
    readonly maxFormFields: number;
    readonly maxFormFiles: number;
    readonly maxUnpackRatio: number;
    readonly minUploadBytesPerSecond: number;
    readonly maxWaitSeconds: number;
    readonly maxBatchJobs: number;
    readonly maxUploadingBytes: number;
    readonly maxUploadingBytesOfKey: number;
    /** Event streams and sockets. */
    readonly streams: { readonly most: number; readonly mostOfKey: number; readonly reservedForKey: number };
    readonly maxSocketBufferBytes: number;
    readonly unreadyMs: number;
    /** Origins whose pages may call; `['*']`: all. */
    readonly corsOrigins: readonly string[];
    /** Whether the pages for people are served. */
    readonly studio: boolean;
    readonly metricsHost: string;
    readonly metricsPort: number;
  };
  /** Other people's APIs. */
  readonly compat: {
    readonly comfyui: boolean;
    /** Undefined: none of its own. */
    readonly comfyuiPort: number | undefined;
    readonly comfyuiMaxHistory: number;
    readonly comfyuiCacheBytes: number;
    readonly comfyV2: boolean;
    readonly openai: boolean;
    /** By OpenAI's name: `workflow` or `workflow@lod`. */
    readonly openaiAliases: Readonly<Record<string, string>>;
    readonly openaiCancelsOnDisconnect: boolean;
  };
  readonly access: {
    /** Undefined: nobody is asked who they are. */
    readonly keysFile: string | undefined;
    /** Undefined: only the reviewed classes. */
    readonly allowedNodesFile: string | undefined;
    readonly allowAnonymous: boolean;
    readonly publicImages: boolean;
    readonly signedUrlSeconds: number;
    /** Of keys that have none of their own. */
    readonly keyLimits: KeyLimits;
  };
  readonly limits: RequestLimits;
  readonly images: {
    readonly maxBytes: number;
    readonly maxPixels: number;
    /** Of pictures, at a time. */
    readonly maxDecodings: number;
    readonly maxFetches: number;
    /** In which pictures can be had, ascending. */
    readonly widths: readonly number[];
    readonly fetchTimeoutMs: number;
    /** Targets that image_url may name although they are not public; see packages/safe-http. */
    readonly fetchAllow: readonly string[];
    /** Program that makes pictures of videos, if it is there. */
    readonly ffmpeg: string;
  };
  readonly redis: RedisSettings;
  /** Of the services that the settings name: never requested for a caller on a private host. */
  readonly ownPorts: readonly number[];
  readonly queue: {
    readonly maxOpenJobs: number;
    readonly keyJobBytes: number;
    readonly slowFactor: number;
    readonly maxAttempts: number;
    readonly maxRefusals: number;
    readonly maxInstanceDeaths: number;
    readonly maxWorkerDeaths: number;
    readonly maxOvertakes: number;
    readonly modelPatienceSeconds: number;
    readonly jobTtlSeconds: number;
    readonly idempotencyTtlSeconds: number;
    readonly lockMs: number;
    readonly stalledCheckMs: number;
    readonly sweepSeconds: number;
  };
  readonly worker: {
    readonly name: string;
    /** Names of the pools it serves; at least one. */
    readonly pools: readonly string[];
    readonly healthHost: string;
    readonly healthPort: number;
    readonly announceSeconds: number;
    readonly abilitiesSeconds: number;
    readonly drainSeconds: number;
    readonly adoptWaitSeconds: number;
    readonly storeRetrySeconds: number;
    /** Of one output of a job. */
    readonly maxOutputBytes: number;
    readonly maxOutputs: number;
    readonly failuresToRest: number;
    readonly restSeconds: number;
    readonly maxRestSeconds: number;
    readonly beginSeconds: number;
    readonly interruptGraceSeconds: number;
    readonly unreachableSeconds: number;
    /** How a ComfyUI is restarted that does not come right by itself. */
    readonly restart: {
      /** For the shell; undefined: by hand. */
      readonly command: string | undefined;
      readonly timeoutSeconds: number;
      readonly waitSeconds: number;
      readonly mostPerHour: number;
    };
    /** Undefined: nothing is run. */
    readonly warmUp: WarmUpSettings | undefined;
  };
  readonly dispatcher: { readonly healthHost: string; readonly healthPort: number };
  readonly webhooks: {
    /** What signs where there are no keys, the first first; two while rotating. Empty: webhooks go unsigned. */
    readonly secrets: readonly string[];
    /** Targets that webhooks may call although they are not public; see packages/safe-http. */
    readonly allow: readonly string[];
    readonly timeoutMs: number;
    readonly concurrency: number;
    readonly perHost: number;
    /** One for each failed try after which there is another. */
    readonly retryDelaysMs: readonly number[];
  };
  readonly assets: {
    readonly maxBytes: number;
    readonly urlTimeoutMs: number;
    /** Different ones that one job may name. */
    readonly maxUrls: number;
  };
  readonly retention: {
    readonly framesMaxAgeSeconds: number;
    /** Of assets, and of other files that jobs start from, after their last use. */
    readonly inputsMaxAgeSeconds: number;
    readonly framesMaxBytes: number;
    readonly minFreeBytes: number;
    /** Ended jobs. */
    readonly jobsKeptPerKey: number;
    /** Of waiting and ended jobs. */
    readonly jobBytesPerKey: number;
    readonly housekeepingSeconds: number;
  };
  /** What operators see of the last hour. */
  readonly past: {
    /** Of each instance. */
    readonly timelineEntries: number;
    readonly stepSeconds: number;
  };
  /** Which instances there are, `readInstances` says. */
  readonly comfyui: {
    /** An absolute path; undefined: the addresses are those of `urls`. */
    readonly instancesFile: string | undefined;
    readonly urls: readonly string[];
    /** One entry per URL; undefined where this machine does not see that disk. */
    readonly folders: readonly InstanceFolders[];
    readonly timeoutMs: number;
    readonly pollMs: number;
    readonly maxCatalogueBytes: number;
  };
  readonly frames: FramesSettings;
  readonly workflowsDir: string;
  /** Those that are published through the API. */
  readonly workflows: {
    /** Of each name. */
    readonly maxVersions: number;
    readonly maxNodes: number;
    /** Of what is kept of an order for the answers of the API that it came by. */
    readonly maxOriginBytes: number;
    /** Longest execution of a job. */
    readonly maxGpuSeconds: number;
    /** Of JSON. */
    readonly maxBytes: number;
  };
  /** In place of the one that the workflows name. */
  readonly checkpoint: string | undefined;
}

/** Where pictures are kept. */
export type FramesSettings =
  | { readonly store: 'file'; readonly dir: string }
  | {
      readonly store: 's3';
      readonly bucket: string;
      /** Empty, or with a slash at its end. */
      readonly prefix: string;
      readonly region: string;
      /** Undefined: that of AWS in the region. */
      readonly endpoint: string | undefined;
      readonly pathStyle: boolean;
      readonly reads: Settings['S3_READS'];
    };

export interface KeyLimits {
  readonly requestsPerMinute: number;
  readonly jobsWaiting: number;
  readonly jobsReserved: number;
  /** In the hands of workers at a time. */
  readonly jobsRunning: number;
  readonly uploadBytesPerDay: number;
}

/** Reads the environment. Throws a ConfigError that lists every fault. */
export function loadConfig(env: Environment = process.env): Config {
  const settings = readSettings(settingsSchema, env);
  const faults = crossChecks(settings);
  if (faults.length > 0) throw new ConfigError(faults);
  return deepFreeze(toConfig(settings));
}

const FOLDER_SETTINGS = ['COMFYUI_OUTPUT_DIRS', 'COMFYUI_INPUT_DIRS', 'COMFYUI_TEMP_DIRS'] as const;

function crossChecks(settings: Settings): string[] {
  const faults = [...redisFaults(settings), ...warmUpFaults(settings, toLimits(settings))];
  if (settings.MIN_SIZE > settings.MAX_SIZE) {
    faults.push(`MIN_SIZE=${settings.MIN_SIZE}: must not be larger than MAX_SIZE=${settings.MAX_SIZE}`);
  }
  if (settings.STALLED_CHECK_MS > settings.LOCK_MS) {
    faults.push(`STALLED_CHECK_MS=${settings.STALLED_CHECK_MS}: must not be larger than LOCK_MS=${settings.LOCK_MS}`);
  }
  if (settings.REST_SECONDS > settings.MAX_REST_SECONDS) {
    faults.push(
      `REST_SECONDS=${settings.REST_SECONDS}: must not be larger than MAX_REST_SECONDS=${settings.MAX_REST_SECONDS}`,
    );
  }
  const urls = urlList(settings.COMFYUI_URLS);
  if (new Set(urls).size < urls.length) {
    faults.push(`COMFYUI_URLS=${settings.COMFYUI_URLS}: names an address twice; one GPU would be driven as two`);
  }
  if (settings.COMFYUI_PORT !== undefined && settings.COMFYUI_API === 'off') {
    faults.push('COMFYUI_PORT and COMFYUI_API=off are both set: there would be nothing on that port');
  }
  if (settings.FRAMES_STORE === 's3' && settings.S3_BUCKET === undefined) {
    faults.push('S3_BUCKET is not set: FRAMES_STORE=s3 needs the name of a bucket');
  }
  for (const name of FOLDER_SETTINGS) {
    const folders = folderList(settings[name]).length;
    if (folders > urls.length) faults.push(`${name}: names ${folders} folders for ${urls.length} COMFYUI_URLS`);
  }
  for (const name of ['COMFYUI_URLS', ...FOLDER_SETTINGS] as const) {
    if (settings.COMFYUI_INSTANCES_FILE === undefined || settings[name] === undefined) continue;
    faults.push(`COMFYUI_INSTANCES_FILE and ${name} are both set: keep one of them`);
  }
  return faults;
}

function toLimits(s: Settings): RequestLimits {
  return {
    maxPromptChars: s.MAX_PROMPT_CHARS,
    maxSteps: s.MAX_STEPS,
    maxCfg: s.MAX_CFG,
    minSize: s.MIN_SIZE,
    maxSize: s.MAX_SIZE,
    maxCount: s.MAX_COUNT,
    maxJobPixels: s.MAX_JOB_PIXELS,
    maxMetadataBytes: s.MAX_METADATA_BYTES,
    maxQueuedSeconds: s.MAX_QUEUED_SECONDS,
  };
}

function toConfig(s: Settings): Config {
  return {
    log: { level: s.LOG_LEVEL, format: s.LOG_FORMAT, prompts: s.LOG_PROMPTS === '1' },
    tracing: { endpoint: s.OTEL_EXPORTER_OTLP_ENDPOINT },
    http: {
      host: s.HOST,
      port: s.PORT,
      publicUrl: s.PUBLIC_URL === undefined ? undefined : withoutSlash(s.PUBLIC_URL),
      maxJsonBytes: s.MAX_JSON_BYTES,
      json: {
        depth: s.MAX_JSON_DEPTH,
        values: s.MAX_JSON_VALUES,
        names: s.MAX_JSON_NAMES,
        nameBytes: s.MAX_NAME_BYTES,
      },
      maxFormFields: s.MAX_FORM_FIELDS,
      maxFormFiles: s.MAX_FORM_FILES,
      maxUnpackRatio: s.MAX_UNPACK_RATIO,
      minUploadBytesPerSecond: s.MIN_UPLOAD_BYTES_PER_SECOND,
      maxWaitSeconds: s.MAX_WAIT_SECONDS,
      maxBatchJobs: s.MAX_BATCH_JOBS,
      maxUploadingBytes: s.MAX_UPLOADING_BYTES,
      maxUploadingBytesOfKey: s.KEY_UPLOADING_BYTES,
      streams: { most: s.MAX_STREAMS, mostOfKey: s.KEY_STREAMS, reservedForKey: s.KEY_STREAMS_RESERVED },
      maxSocketBufferBytes: s.MAX_SOCKET_BUFFER_BYTES,
      unreadyMs: s.UNREADY_SECONDS * 1000,
      corsOrigins: list(s.CORS_ORIGINS ?? ''),
      studio: s.STUDIO === 'on',
      metricsHost: s.API_METRICS_HOST,
      metricsPort: s.API_METRICS_PORT,
    },
    compat: {
      comfyui: s.COMFYUI_API === 'on',
      comfyuiPort: s.COMFYUI_PORT,
      comfyuiMaxHistory: s.COMFYUI_MAX_HISTORY,
      comfyuiCacheBytes: s.COMFYUI_CACHE_BYTES,
      comfyV2: s.COMFY_V2_API === 'on',
      openai: s.OPENAI_API === 'on',
      openaiAliases: Object.fromEntries(list(s.OPENAI_MODEL_ALIASES).map((one) => one.split('=', 2))),
      openaiCancelsOnDisconnect: s.OPENAI_CANCEL_ON_DISCONNECT === 'on',
    },
    access: {
      keysFile: s.API_KEYS_FILE === undefined ? undefined : resolve(s.API_KEYS_FILE),
      allowedNodesFile: s.ALLOWED_NODES_FILE === undefined ? undefined : resolve(s.ALLOWED_NODES_FILE),
      allowAnonymous: s.ALLOW_ANONYMOUS === '1',
      publicImages: s.IMAGES === 'public',
      signedUrlSeconds: s.SIGNED_URL_SECONDS,
      keyLimits: {
        requestsPerMinute: s.KEY_REQUESTS_PER_MINUTE,
        jobsWaiting: s.KEY_JOBS_WAITING,
        jobsReserved: s.KEY_JOBS_RESERVED,
        jobsRunning: s.KEY_JOBS_RUNNING,
        uploadBytesPerDay: s.KEY_UPLOAD_BYTES_PER_DAY,
      },
    },
    limits: toLimits(s),
    images: {
      maxBytes: s.MAX_IMAGE_BYTES,
      maxPixels: s.MAX_IMAGE_PIXELS,
      maxDecodings: s.MAX_DECODINGS,
      maxFetches: s.MAX_FETCHES,
      widths: [...new Set(list(s.IMAGE_WIDTHS).map(Number))].sort((a, b) => a - b),
      fetchTimeoutMs: s.IMAGE_URL_TIMEOUT_MS,
      fetchAllow: list(s.IMAGE_URL_ALLOW ?? ''),
      ffmpeg: s.FFMPEG_PATH,
    },
    assets: {
      maxBytes: s.MAX_ASSET_BYTES,
      urlTimeoutMs: s.ASSET_URL_TIMEOUT_MS,
      maxUrls: s.MAX_ASSET_URLS,
    },
    redis: toRedisSettings(s),
    ownPorts: ownPorts(s),
    queue: {
      maxOpenJobs: s.MAX_OPEN_JOBS,
      keyJobBytes: s.KEY_JOB_BYTES,
      slowFactor: s.SLOW_FACTOR,
      maxAttempts: s.MAX_ATTEMPTS,
      maxRefusals: s.MAX_REFUSALS,
      maxInstanceDeaths: s.MAX_INSTANCE_DEATHS,
      maxWorkerDeaths: s.MAX_WORKER_DEATHS,
      maxOvertakes: s.MAX_OVERTAKES,
      modelPatienceSeconds: s.MODEL_PATIENCE_SECONDS,
      jobTtlSeconds: s.JOB_TTL_SECONDS,
      idempotencyTtlSeconds: s.IDEMPOTENCY_TTL_SECONDS,
      lockMs: s.LOCK_MS,
      stalledCheckMs: s.STALLED_CHECK_MS,
      sweepSeconds: s.SWEEP_SECONDS,
    },
    worker: {
      name: s.WORKER_NAME ?? hostname(),
      pools: [...new Set(list(s.WORKER_POOLS))],
      healthHost: s.WORKER_HEALTH_HOST,
      healthPort: s.WORKER_HEALTH_PORT,
      announceSeconds: s.ANNOUNCE_SECONDS,
      abilitiesSeconds: s.ABILITIES_SECONDS,
      drainSeconds: s.DRAIN_SECONDS,
      adoptWaitSeconds: s.ADOPT_WAIT_SECONDS,
      storeRetrySeconds: s.STORE_RETRY_SECONDS,
      maxOutputBytes: s.MAX_OUTPUT_BYTES,
      maxOutputs: s.MAX_OUTPUTS,
      failuresToRest: s.FAILURES_TO_REST,
      restSeconds: s.REST_SECONDS,
      maxRestSeconds: s.MAX_REST_SECONDS,
      beginSeconds: s.BEGIN_SECONDS,
      interruptGraceSeconds: s.INTERRUPT_GRACE_SECONDS,
      unreachableSeconds: s.UNREACHABLE_SECONDS,
      restart: {
        command: s.COMFYUI_RESTART_COMMAND,
        timeoutSeconds: s.RESTART_TIMEOUT_SECONDS,
        waitSeconds: s.RESTART_WAIT_SECONDS,
        mostPerHour: s.RESTARTS_PER_HOUR,
      },
      warmUp: toWarmUp(s),
    },
    dispatcher: { healthHost: s.DISPATCHER_HEALTH_HOST, healthPort: s.DISPATCHER_HEALTH_PORT },
    webhooks: {
      secrets: list(s.WEBHOOK_SECRETS ?? ''),
      allow: list(s.WEBHOOK_ALLOW ?? ''),
      timeoutMs: s.WEBHOOK_TIMEOUT_MS,
      concurrency: s.WEBHOOK_CONCURRENCY,
      perHost: s.WEBHOOK_PER_HOST,
      retryDelaysMs: list(s.WEBHOOK_RETRY_SECONDS).map((seconds) => Math.round(Number(seconds) * 1000)),
    },
    retention: {
      framesMaxAgeSeconds: s.FRAMES_MAX_AGE_SECONDS,
      inputsMaxAgeSeconds: s.ASSET_TTL_SECONDS ?? s.FRAMES_MAX_AGE_SECONDS,
      framesMaxBytes: s.FRAMES_MAX_BYTES,
      minFreeBytes: s.MIN_FREE_BYTES,
      jobsKeptPerKey: s.KEY_JOBS_KEPT,
      jobBytesPerKey: s.KEY_JOB_BYTES,
      housekeepingSeconds: s.HOUSEKEEPING_SECONDS,
    },
    past: { timelineEntries: s.TIMELINE_ENTRIES, stepSeconds: s.HISTORY_STEP_SECONDS },
    comfyui: {
      instancesFile: s.COMFYUI_INSTANCES_FILE === undefined ? undefined : resolve(s.COMFYUI_INSTANCES_FILE),
      ...instances(s),
      timeoutMs: s.COMFYUI_TIMEOUT_MS,
      pollMs: s.POLL_MS,
      maxCatalogueBytes: s.MAX_CATALOGUE_BYTES,
    },
    frames: frames(s),
    workflowsDir: resolve(s.WORKFLOWS_DIR),
    workflows: {
      maxVersions: s.MAX_WORKFLOW_VERSIONS,
      maxBytes: s.MAX_WORKFLOW_BYTES,
      maxNodes: s.MAX_GRAPH_NODES,
      maxOriginBytes: s.MAX_ORIGIN_BYTES,
      maxGpuSeconds: s.MAX_GPU_SECONDS,
    },
    checkpoint: s.CHECKPOINT,
  };
}

function frames(s: Settings): FramesSettings {
  if (s.FRAMES_STORE === 'file') return { store: 'file', dir: resolve(s.FRAMES_DIR) };
  return {
    store: 's3',
    bucket: s.S3_BUCKET ?? '',
    prefix: s.S3_PREFIX === undefined ? '' : `${withoutSlash(s.S3_PREFIX)}/`,
    region: s.S3_REGION,
    endpoint: s.S3_ENDPOINT,
    pathStyle: s.S3_PATH_STYLE === '1',
    reads: s.S3_READS,
  };
}

function instances(s: Settings): Pick<Config['comfyui'], 'urls' | 'folders'> {
  const urls = urlList(s.COMFYUI_URLS);
  const outputs = folderList(s.COMFYUI_OUTPUT_DIRS);
  const inputs = folderList(s.COMFYUI_INPUT_DIRS);
  const temps = folderList(s.COMFYUI_TEMP_DIRS);
  const foldersOf = (index: number) => ({ output: outputs[index], input: inputs[index], temp: temps[index] });
  return { urls, folders: urls.map((_url, index) => foldersOf(index)) };
}

/** One entry per instance: nothing between two commas is an instance whose disk is not seen. */
function folderList(text = ''): (string | undefined)[] {
  if (text === '') return [];
  return text.split(',').map((folder) => (folder.trim() === '' ? undefined : resolve(folder.trim())));
}

function urlList(text = ''): string[] {
  return list(text).map(withoutSlash);
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) deepFreeze(part);
  return Object.freeze(value);
}
