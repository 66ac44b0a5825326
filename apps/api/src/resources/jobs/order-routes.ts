import {
  batchAnswerSchema,
  batchRequestSchema,
  type ErrorCode,
  generateRequestSchema,
  graphRequestSchema,
  img2imgRequestSchema,
  jobSchema,
  type RequestLimits,
  refineRequestSchema,
  retryQuerySchema,
  runRequestSchema,
} from '@comfy-fleet/contracts';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import { type AnswerDoc, type ApiRoute, tagged, withQuery } from '../../openapi/route.js';
import { runGraph, runWorkflow } from '../workflows/run-workflow.js';
import { refineJob, retryJob } from './again.js';
import { batch } from './batch.js';
import { generate, img2img } from './make-picture.js';

const ORDERING = {
  name: 'ordering',
  description: 'Create jobs. Each request is answered at once, and the jobs run in the background.',
};

const ACCEPTED: Readonly<Record<number, AnswerDoc>> = {
  200: {
    description: 'The job ended within the time of `Prefer: wait=`.',
    json: jobSchema,
    headers: ['Location', 'Preference-Applied', 'Idempotent-Replayed'],
  },
  202: {
    description: 'The job is accepted and will not be lost, whatever fails from now on.',
    json: jobSchema,
    headers: ['Location', 'Retry-After', 'Preference-Applied', 'Idempotent-Replayed'],
  },
};

/**
 * The errors of every route that creates jobs. job_not_found: the job of an Idempotency-Key has been deleted. overloaded:
 * Redis is nearly full. storage_failed and upload_limit_reached: a large graph is stored as a file.
 */
const ERRORS: readonly ErrorCode[] = [
  'job_not_found',
  'too_many_streams',
  'no_able_instance',
  'idempotency_key_reused',
  'queue_full',
  'gpu_limit_reached',
  'upload_limit_reached',
  'overloaded',
  'storage_full',
  'storage_share_exceeded',
  'storage_failed',
];
/** The errors of routes that take files. */
const FILE_ERRORS: readonly ErrorCode[] = [...ERRORS, 'invalid_image', 'url_not_allowed', 'url_unreachable'];

/** What most of these routes have in common. */
const ORDER = {
  access: 'jobs',
  headers: ['Idempotency-Key', 'Prefer'],
  answers: ACCEPTED,
  errors: FILE_ERRORS,
} as const;

export function orderRoutes(deps: Deps): ApiRoute[] {
  const { http, images, limits } = deps.config;
  return tagged(ORDERING, {
    'POST /generate': {
      ...ORDER,
      reads: 'json',
      id: 'generate',
      summary: 'Make a picture from a text',
      description:
        'Only `prompt` is required. The level of detail sets the fields that you leave out; see `GET /lods`.',
      body: {
        json: generateRequestSchema(limits),
        examples: {
          'a quick look': { prompt: 'a lighthouse at dusk', lod: 'sketch' },
          'with a webhook': {
            prompt: 'a lighthouse at dusk',
            negative_prompt: 'people',
            lod: 'direct_final',
            seed: 42,
            metadata: { order: '7' },
            webhook: { url: 'https://example.com/hooks/pictures', events: ['job.succeeded', 'job.failed'] },
          },
        },
      },
      errors: [...ERRORS, 'url_not_allowed'],
      handler: generate(deps),
    },
    'POST /img2img': {
      ...ORDER,
      reads: 'picture',
      id: 'img2img',
      summary: 'Make a picture from a text and a picture',
      description:
        'The picture is a PNG, JPEG or WebP: the file `image` of a form, or in JSON one of `image` (base64 or a data ' +
        `URL), \`image_url\` and \`source\` (the name of a picture made here). At most ${images.maxBytes} bytes.`,
      body: {
        json: img2imgRequestSchema(limits),
        form: img2imgForm(limits),
        examples: {
          'from an address': {
            prompt: 'the same in winter',
            image_url: 'https://example.com/lighthouse.jpg',
            denoise: 0.5,
          },
        },
      },
      handler: img2img(deps),
    },
    'POST /workflows/:name': {
      ...ORDER,
      reads: 'files',
      id: 'runWorkflow',
      summary: 'Run any workflow',
      description:
        '`GET /workflows/:name` describes the inputs; each workflow also has its own path in this document. For an input ' +
        'that is a file, give `asset:<id>`, `job:<id>/<output>` or an http(s) URL, or in a form a file under the name of ' +
        'the input. In a form, the other inputs are fields, or JSON in `inputs`. Seeds that you leave out are random.',
      body: {
        json: runRequestSchema(limits),
        form: runRequestSchema(limits),
        examples: {
          'some inputs': { inputs: { prompt: 'a lighthouse at dusk', seed: 7 } },
          'from an asset, one output of it': {
            inputs: { image: 'asset:019e0000-0000-7000-8000-000000000000' },
            outputs: ['image'],
          },
        },
      },
      errors: ['workflow_not_found', 'invalid_workflow', ...FILE_ERRORS],
      handler: runWorkflow(deps),
    },
    'POST /graphs': {
      ...ORDER,
      access: 'graphs',
      reads: 'graph',
      id: 'runGraph',
      summary: 'Run your own graph once',
      description:
        "A workflow in ComfyUI's API format, run unchanged, seeds included. Where it loads a file, give `asset:<id>`, " +
        '`job:<id>/<output>` or an http(s) URL. It may only have node classes that the key may use.',
      body: {
        json: graphRequestSchema(limits),
        examples: {
          'turn a picture into its negative': {
            graph: {
              '1': { class_type: 'LoadImage', inputs: { image: 'https://example.com/lighthouse.png' } },
              '2': { class_type: 'ImageInvert', inputs: { image: ['1', 0] } },
              '3': { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: 'negative' } },
            },
          },
        },
      },
      handler: runGraph(deps),
    },
    'POST /jobs/batch': {
      ...ORDER,
      reads: 'json',
      id: 'orderBatch',
      summary: `Create up to ${http.maxBatchJobs} jobs at once, all or none`,
      description:
        'Each job is a body of `POST /generate`, or of `POST /img2img` with `kind: "img2img"` and a `source`. With ' +
        '`kind: "workflow"` it runs the `workflow` that it names, and with `kind: "graph"` its own `graph`.',
      headers: ['Idempotency-Key'],
      body: {
        json: batchRequestSchema(limits, http.maxBatchJobs),
        examples: {
          'two seeds': {
            jobs: [
              { prompt: 'a lighthouse', seed: 1 },
              { prompt: 'a lighthouse', seed: 2 },
            ],
          },
        },
      },
      answers: {
        202: {
          description: 'All jobs are accepted; their ids are in the order of the request.',
          json: batchAnswerSchema,
          headers: ['Idempotent-Replayed'],
        },
      },
      handler: batch(deps),
    },
    'POST /jobs/:id/retry': withQuery({
      ...ORDER,
      id: 'retryJob',
      summary: 'Run a job again',
      description: 'Creates a job with the same parameters and webhook, and the same seed unless you give another.',
      query: retryQuerySchema,
      errors: [...ERRORS, 'wrong_job_state'],
      handler: retryJob(deps),
    }),
    'POST /jobs/:id/refine': {
      ...ORDER,
      reads: 'json',
      id: 'refineJob',
      summary: 'Refine a picture to a higher level of detail',
      description:
        'Creates a job at a higher level of detail (sketch, mid, final). It starts from a picture of a job that succeeded, ' +
        'and keeps the prompt, the seed and all other fields that the request of that job had set.',
      body: { json: refineRequestSchema(limits), examples: { 'the finished picture': { lod: 'final' } } },
      errors: [...ERRORS, 'invalid_image', 'wrong_job_state'],
      handler: refineJob(deps),
    },
  });
}

/** The fields of the JSON body, with the picture as a file. */
function img2imgForm(limits: RequestLimits) {
  const { image: _text, ...fields } = img2imgRequestSchema(limits).properties;
  const image = Type.Optional(
    Type.String({ format: 'binary', description: 'The picture as a file: PNG, JPEG or WebP.' }),
  );
  return Type.Object({ image, ...fields }, { additionalProperties: false });
}
