import { WEBHOOK_SECRET_PATTERN } from '@comfy-fleet/contracts';
import Type from 'typebox';
import {
  type ConfigOf,
  flag,
  integer,
  list,
  listOf,
  mapped,
  optional,
  optionalText,
  path,
  Setting,
  setting,
  targets,
  text,
  withoutSlash,
} from '../setting.js';
import { apiSchema } from './api-schema.js';
import { fleetSchema } from './fleet-schema.js';
import { modelsSchema } from './models-schema.js';

const MIB = 1024 * 1024;

/** One webhook secret, to be repeated in a list. */
const SECRET = WEBHOOK_SECRET_PATTERN.slice(1, -1);

/** Settings of webhooks, retention, stores, workflows, logs and traces. */
const sharedSchema = {
  webhooks: {
    /** Secrets that sign webhooks if there are no keys, the current one first. Empty: webhooks are not signed. */
    secrets: new Setting(
      'WEBHOOK_SECRETS',
      Type.Optional(
        Type.String({
          pattern: `^${SECRET}(,${SECRET})?$`,
          writeOnly: true,
          description:
            'The whsec_… secret that signs webhooks, or two while rotating; not used with API_KEYS_FILE, where each key has its own',
        }),
      ),
      (given) => list(String(given ?? '')),
    ),
    allow: targets('WEBHOOK_ALLOW', 'webhooks may call although they are not public'),
    timeoutMs: integer('WEBHOOK_TIMEOUT_MS', 10_000, 100, 'Longest wait for the answer to a webhook'),
    /** Webhooks that one dispatcher delivers at a time, and how many of these for one API key. */
    concurrency: 512,
    perKey: 32,
    perHost: integer(
      'WEBHOOK_PER_HOST',
      4,
      1,
      'Webhooks that one dispatcher delivers for one API key to one host at a time',
    ),
    retryDelaysMs: mapped(
      listOf(
        'WEBHOOK_RETRY_SECONDS',
        'Pauses between the attempts to deliver a webhook; after the last attempt it has failed',
        '^\\d{1,6}(\\.\\d{1,3})?(,\\d{1,6}(\\.\\d{1,3})?)*$',
        '5,30,120,600,1800,3600,7200',
      ),
      (all) => all.map((seconds) => Math.round(Number(seconds) * 1000)),
    ),
  },
  retention: {
    framesMaxAgeSeconds: integer(
      'FRAMES_MAX_AGE_SECONDS',
      604_800,
      60,
      'Pictures older than this are deleted, with their jobs',
    ),
    /** For assets and other input files, counted from their last use. */
    inputsMaxAgeSeconds: optional(
      'ASSET_TTL_SECONDS',
      Type.Integer({
        minimum: 60,
        description:
          'Assets, and other files that jobs start from, are deleted when they were not used for so long; if not set, as FRAMES_MAX_AGE_SECONDS',
      }),
    ),
    framesMaxBytes: integer(
      'FRAMES_MAX_BYTES',
      50 * 1024 * MIB,
      MIB,
      'If all pictures together exceed this, the oldest of the API keys that exceed their equal shares are deleted with their jobs, but none of the last hour',
    ),
    minFreeBytes: integer(
      'MIN_FREE_BYTES',
      1024 * MIB,
      0,
      'With less free disk space for pictures than this, new jobs are refused with storage_full and workers claim none; not used for buckets',
    ),
    jobsKeptPerKey: integer(
      'KEY_JOBS_KEPT',
      100_000,
      100,
      'Most ended jobs kept of one API key; beyond that the oldest are deleted with their pictures',
    ),
    housekeepingSeconds: integer('HOUSEKEEPING_SECONDS', 60, 1, 'How often old pictures and records are deleted'),
  },
  /** The history that operators see. */
  past: {
    /** How often the numbers are recorded and the alerts are evaluated. */
    stepSeconds: 15,
  },
  /** The store for pictures and other files. */
  frames: {
    store: setting(
      'FRAMES_STORE',
      Type.Enum(['file', 's3'], {
        default: 'file',
        description: 'Where pictures are kept: file: in FRAMES_DIR; s3: in S3_BUCKET, without a shared disk',
      }),
    ),
    dir: path('FRAMES_DIR', '.data/frames', 'Folder of the pictures, shared by api, workers and dispatcher'),
    bucket: optionalText(
      'S3_BUCKET',
      'Bucket of the pictures; the AWS SDK finds the credentials (AWS_ACCESS_KEY_ID, a role, …)',
      '^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$',
    ),
    prefix: mapped(
      optionalText(
        'S3_PREFIX',
        'Prefix of all names in the bucket, for a bucket that you also use for other things',
        '^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*/?$',
      ),
      (prefix) => (prefix === undefined ? '' : `${withoutSlash(prefix)}/`),
    ),
    region: text('S3_REGION', 'us-east-1', 'Region of the bucket'),
    endpoint: optionalText(
      'S3_ENDPOINT',
      'http(s) address of an S3 other than AWS (MinIO, Ceph, R2, …)',
      '^https?://[^\\s/?#]+/?$',
    ),
    pathStyle: flag(
      'S3_PATH_STYLE',
      '1 puts the bucket into the path of the URL, not before the host; most S3 other than AWS need this',
    ),
    reads: setting(
      'S3_READS',
      Type.Enum(['proxied', 'presigned'], {
        default: 'proxied',
        description:
          'presigned: GET /images/… redirects callers without a key to the bucket, with a URL that is valid for minutes; proxied: the API serves the pictures',
      }),
    ),
  },
  workflowsDir: path('WORKFLOWS_DIR', 'workflows', 'Folder of the workflow templates and lod-profiles.json'),
  /** Workflows that are published through the API, and graphs that are sent. */
  workflows: {
    /** Versions kept per name. */
    maxVersions: 20,
    maxBytes: integer(
      'MAX_WORKFLOW_BYTES',
      MIB / 2,
      1024,
      'Largest workflow published, or graph sent, through the API, in bytes of JSON; in a picture the JSON in it counts, and the picture like any other',
      16 * MIB,
    ),
    maxNodes: integer('MAX_GRAPH_NODES', 500, 1, 'Most nodes of a graph sent to POST /graphs', 10_000),
    /** Largest part of an order, as JSON, that is kept for answers of the API through which it was created. */
    maxOriginBytes: MIB,
    maxGpuSeconds: integer(
      'MAX_GPU_SECONDS',
      3600,
      1,
      'Longest execution of a job, which is then interrupted. lod-profiles.json and keys can have shorter ones, inputs files any (deadline_seconds)',
      86_400,
    ),
  },
  /** Replaces the checkpoint of the workflows. */
  checkpoint: optional(
    'CHECKPOINT',
    Type.String({
      maxLength: 255,
      description:
        'Checkpoint, as ComfyUI lists it, that replaces the one in the workflows of WORKFLOWS_DIR; a request may choose another',
    }),
  ),
  healthHost: text('HEALTH_HOST', '127.0.0.1', 'Address on which each process serves /livez, /readyz and /metrics'),
  log: {
    level: setting(
      'LOG_LEVEL',
      Type.Enum(['error', 'warn', 'info', 'debug'], {
        default: 'info',
        description: 'error, warn, info or debug',
      }),
    ),
    format: optional(
      'LOG_FORMAT',
      Type.Enum(['json', 'pretty'], {
        description: 'json, or pretty for people; default: pretty where standard output is a terminal, else json',
      }),
    ),
    prompts: flag(
      'LOG_PROMPTS',
      '1 allows prompts in the logs: the worker logs the prompt of each job it submits, and errors may quote it',
    ),
  },
  tracing: {
    endpoint: optionalText(
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'http(s) address of an OpenTelemetry collector to send traces to; not set: no traces',
      '^https?://[^/\\s?#]+(/[^\\s?#]*)?$',
    ),
  },
};

/**
 * The whole config: settings of the environment, and constants that nobody has a reason to change. Tests override both,
 * see `loadConfig`. docs/settings.md is generated from it.
 */
export const configSchema = { ...apiSchema, ...fleetSchema, ...modelsSchema, ...sharedSchema };

/** The values of the schema, before values are derived from several settings. */
export type RawConfig = ConfigOf<typeof configSchema>;
