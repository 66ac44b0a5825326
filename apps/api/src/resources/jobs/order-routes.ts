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
import type { AnswerDoc, ApiRoute } from '../../openapi/operation.js';
import { WORKFLOW_NAME } from '../workflows/routes.js';
import { runGraph } from '../workflows/run-graph.js';
import { runWorkflow } from '../workflows/run-workflow.js';
import { batch } from './batch.js';
import { generate } from './generate.js';
import { img2img } from './img2img.js';
import { refineJob } from './refine-job.js';
import { retryJob } from './retry-job.js';
import { JOB_ID } from './routes.js';

const ORDERING = {
  name: 'ordering',
  description: 'Create jobs. Each request is answered at once, and the jobs run in the background.',
};

const ACCEPTED: Readonly<Record<number, AnswerDoc>> = {
  200: {
    description: 'The job ended within the time of `Prefer: wait=`.',
    content: { 'application/json': jobSchema },
    headers: { Location: 'always', 'Preference-Applied': 'always', 'Idempotent-Replayed': 'sometimes' },
  },
  202: {
    description: 'The job is accepted and will not be lost, whatever fails from now on.',
    content: { 'application/json': jobSchema },
    headers: {
      Location: 'always',
      'Retry-After': 'sometimes',
      'Preference-Applied': 'sometimes',
      'Idempotent-Replayed': 'sometimes',
    },
  },
};

const ORDER_HEADERS = ['Idempotency-Key', 'Prefer'] as const;
/**
 * Of everything that makes a job. job_not_found: the job of an Idempotency-Key was deleted since. overloaded: the queue is
 * nearly full. storage_failed and upload_limit_reached: a large graph is stored as a file.
 */
const ORDER_ERRORS: readonly ErrorCode[] = [
  'validation_failed',
  'job_not_found',
  'no_able_instance',
  'idempotency_key_reused',
  'queue_full',
  'gpu_limit_reached',
  'upload_limit_reached',
  'overloaded',
  'queue_unavailable',
  'storage_full',
  'storage_share_exceeded',
  'storage_failed',
];
const STORING: readonly ErrorCode[] = ['invalid_image', 'storage_failed'];

export function orderRoutes(deps: Deps): ApiRoute[] {
  const { http, images, limits } = deps.config;
  return [
    {
      method: 'POST',
      path: '/generate',
      access: 'jobs',
      reads: 'json',
      handler: generate(deps),
      id: 'generate',
      tag: ORDERING,
      summary: 'Make a picture from a text',
      description:
        'Only `prompt` is required. The level of detail sets the fields that you leave out; see `GET /lods`.',
      headers: ORDER_HEADERS,
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
      answers: ACCEPTED,
      errors: [...ORDER_ERRORS, 'url_not_allowed'],
    },
    {
      method: 'POST',
      path: '/img2img',
      access: 'jobs',
      reads: 'picture',
      handler: img2img(deps),
      id: 'img2img',
      tag: ORDERING,
      summary: 'Make a picture from a text and a picture',
      description:
        'The picture is a PNG, JPEG or WebP: the file `image` of a form, or in JSON one of `image` (base64 or a data ' +
        `URL), \`image_url\` and \`source\` (the name of a picture made here). At most ${images.maxBytes} bytes.`,
      headers: ORDER_HEADERS,
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
      answers: ACCEPTED,
      errors: ['overloaded', ...ORDER_ERRORS, ...STORING, 'url_not_allowed', 'url_unreachable', 'upload_limit_reached'],
    },
    {
      method: 'POST',
      path: '/workflows/:name',
      params: { name: WORKFLOW_NAME },
      access: 'jobs',
      reads: 'files',
      handler: runWorkflow(deps),
      id: 'runWorkflow',
      tag: ORDERING,
      summary: 'Run any workflow',
      description:
        'The inputs are those that `GET /workflows/:name` describes; each workflow is also a path of its own here. An input ' +
        'that is a file takes `asset:<id>`, `job:<id>/<output>` or an http(s) URL, or a file of a form under its name; the ' +
        'other inputs of a form are fields, or JSON in `inputs`. Seeds that you leave out are drawn.',
      headers: ORDER_HEADERS,
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
      answers: ACCEPTED,
      errors: [
        'workflow_not_found',
        'invalid_workflow',
        'overloaded',
        ...ORDER_ERRORS,
        ...STORING,
        'url_not_allowed',
        'url_unreachable',
        'upload_limit_reached',
      ],
    },
    {
      method: 'POST',
      path: '/graphs',
      access: 'graphs',
      reads: 'exact',
      handler: runGraph(deps),
      id: 'runGraph',
      tag: ORDERING,
      summary: 'Run a graph of your own once',
      description:
        "A workflow in ComfyUI's API format, run as it is, seeds too. Where it loads a file, name `asset:<id>`, " +
        '`job:<id>/<output>` or an http(s) URL. It may have no node classes that the key is denied.',
      headers: ORDER_HEADERS,
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
      answers: ACCEPTED,
      errors: ['overloaded', ...ORDER_ERRORS, ...STORING, 'url_not_allowed', 'url_unreachable', 'upload_limit_reached'],
    },
    {
      method: 'POST',
      path: '/jobs/batch',
      access: 'jobs',
      reads: 'json',
      handler: batch(deps),
      id: 'orderBatch',
      tag: ORDERING,
      summary: `Create up to ${http.maxBatchJobs} jobs at once, all or none`,
      description:
        'Each job is a body of `POST /generate`, or one of `POST /img2img` with `kind: "img2img"` and a `source`.',
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
          content: { 'application/json': batchAnswerSchema },
          headers: { 'Idempotent-Replayed': 'sometimes' },
        },
      },
      errors: [...ORDER_ERRORS, ...STORING, 'url_not_allowed'],
    },
    {
      method: 'POST',
      path: '/jobs/:id/retry',
      params: { id: JOB_ID },
      access: 'jobs',
      handler: retryJob(deps),
      id: 'retryJob',
      tag: ORDERING,
      summary: 'Run a job again',
      description:
        'A new job with the same parameters, the same webhook, and the same seed unless another is asked for.',
      headers: ORDER_HEADERS,
      query: retryQuerySchema,
      answers: ACCEPTED,
      errors: [...ORDER_ERRORS, 'wrong_job_state'],
    },
    {
      method: 'POST',
      path: '/jobs/:id/refine',
      params: { id: JOB_ID },
      access: 'jobs',
      reads: 'json',
      handler: refineJob(deps),
      id: 'refineJob',
      tag: ORDERING,
      summary: 'Refine a picture to a higher level of detail',
      description:
        'A new job at a higher level of detail (sketch, mid, final) that starts from a picture of a job that succeeded, ' +
        'with the same prompt, seed and all other fields that its request had set.',
      headers: ORDER_HEADERS,
      body: { json: refineRequestSchema(limits), examples: { 'the finished picture': { lod: 'final' } } },
      answers: ACCEPTED,
      errors: [...ORDER_ERRORS, ...STORING, 'wrong_job_state'],
    },
  ];
}

/** The same fields, with a file for the picture. */
function img2imgForm(limits: RequestLimits) {
  const { image: _text, ...fields } = img2imgRequestSchema(limits).properties;
  const image = Type.Optional(
    Type.String({ format: 'binary', description: 'The picture as a file: PNG, JPEG or WebP.' }),
  );
  return Type.Object({ image, ...fields }, { additionalProperties: false });
}
