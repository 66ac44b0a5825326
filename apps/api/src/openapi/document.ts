import { type RequestLimits, runOptionsSchema, webhookMessageSchema } from '@comfy-fleet/contracts';
import { version } from '@comfy-fleet/telemetry';
import type { ContentObject, OpenAPIObject, OperationObject, PathsObject, SchemaObject } from 'openapi3-ts/oas31';
import { RESPONSE_HEADERS } from './headers.js';
import { jsonParts, operationObject, SECURITY_SCHEMES } from './operation.js';
import type { ApiRoute } from './route.js';
import { nameSchemas } from './schemas.js';

/** The introduction of the document, in Markdown. */
const INTRODUCTION = `
A durable job API in front of a fleet of ComfyUI GPUs.

**Jobs are asynchronous.** \`POST /generate\` and \`POST /img2img\` answer 202 with the whole job. Then
poll \`GET /jobs/{id}\`, wait with \`?wait=30\`, follow its events, or name a webhook. A job that was accepted ends as
\`succeeded\`, \`failed\`, \`canceled\` or \`expired\`, whatever fails in between.

**Keys.** Send your API key as \`Authorization: Bearer <key>\` or as \`X-API-Key\`. Jobs belong to the key that created
them; other keys cannot see them. If the service has no keys, you need none.

**Errors** are \`application/problem+json\` (RFC 9457) with a \`code\` for programs and a \`detail\` for people. After the
status 429, 503 or 507 the same request may succeed later; \`Retry-After\` says when.

**Repeating a request is safe** with an \`Idempotency-Key\`: it never creates a second job.
`.trim();

export interface DocumentOptions {
  readonly limits: RequestLimits;
  /** The base URL of the service; undefined if it is the URL of the document. */
  readonly publicUrl: string | undefined;
  /** The service has no API keys and accepts every caller. */
  readonly anonymous: boolean;
}

/** The facts about a workflow that the document shows. */
export interface DocumentedWorkflow {
  readonly name: string;
  readonly description: string | undefined;
  /** JSON Schema 2020-12 of its inputs. */
  readonly inputs: SchemaObject;
  /** A request body that runs it. */
  readonly example: object;
}

/** Builds the OpenAPI 3.1 document of the API. Each of these workflows gets its own path. */
export function openApiDocument(
  routes: readonly ApiRoute[],
  workflows: readonly DocumentedWorkflow[],
  { limits, publicUrl, anonymous }: DocumentOptions,
): OpenAPIObject {
  const { naming, definitions } = nameSchemas();
  naming(webhookMessageSchema); // no answer has one, but receivers need its type
  const paths: PathsObject = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationObject(route, naming, anonymous) };
  }
  const runOptions = runOptionsSchema(limits);
  const options = { names: Object.keys(runOptions.properties), schema: naming(runOptions) };
  const anyWorkflow = paths['/workflows/{name}'];
  if (anyWorkflow?.post === undefined) throw new Error('running workflows is not documented');
  const { run, responses } = withSharedResponses(anyWorkflow.post);
  paths['/workflows/{name}'] = { ...anyWorkflow, post: run };
  return {
    openapi: '3.1.0',
    info: {
      title: 'comfy-fleet',
      version: version(),
      description: INTRODUCTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: publicUrl ?? '/' }],
    tags: [...new Set(routes.map(({ tag }) => tag))],
    paths: { ...paths, ...workflowPaths(workflows, run, options) },
    components: { schemas: definitions, headers: RESPONSE_HEADERS, securitySchemes: SECURITY_SCHEMES, responses },
  };
}

/** Moves the responses of an operation into components, because all workflows share them. */
function withSharedResponses(operation: OperationObject) {
  const answers = Object.entries(operation.responses ?? {});
  const nameOf = (status: string) => `RunWorkflow${status}`;
  const references = answers.map(([status]) => [status, { $ref: `#/components/responses/${nameOf(status)}` }]);
  return {
    run: { ...operation, responses: Object.fromEntries(references) } as OperationObject,
    responses: Object.fromEntries(answers.map(([status, answer]) => [nameOf(status), answer])),
  };
}

/** The fields that requests of all workflows have besides inputs. */
interface RunOptions {
  readonly names: readonly string[];
  readonly schema: SchemaObject;
}

/** The path of each workflow, with its own inputs. The rest is copied from the operation that runs any workflow. */
function workflowPaths(
  workflows: readonly DocumentedWorkflow[],
  { responses, security, parameters = [] }: OperationObject,
  options: RunOptions,
): PathsObject {
  const shared = parameters.filter((one) => !('in' in one && one.in === 'path'));
  const sorted = [...workflows].sort((a, b) => (a.name < b.name ? -1 : 1));
  return Object.fromEntries(
    sorted.map(({ name, description, inputs, example }) => [
      `/workflows/${encodeURIComponent(name)}`,
      {
        post: {
          operationId: `run_${name.replaceAll(/\W/g, (sign) => `_${sign.charCodeAt(0)}_`)}`,
          tags: ['workflows'],
          summary: `Run ${name}`,
          ...(description === undefined ? {} : { description }),
          parameters: shared,
          requestBody: { required: true, content: workflowBodies(inputs, example, options) },
          responses,
          security,
        },
      },
    ]),
  ) as PathsObject;
}

function workflowBodies(
  inputs: SchemaObject,
  example: object,
  { names, schema: runOptions }: RunOptions,
): ContentObject {
  const isRequired = (inputs.required ?? []).length > 0;
  const jsonSchema: SchemaObject = {
    type: 'object',
    properties: { inputs },
    ...(isRequired ? { required: ['inputs'] } : {}),
  };
  // In a form, an input with the same name as a run option can only be given in `inputs`.
  const isField = (name: string) => name === 'inputs' || names.includes(name);
  const own = Object.entries(inputs.properties ?? {}).filter(([name]) => !isField(name));
  const properties = own.map(([name, schema]) => [
    name,
    'contentMediaType' in schema ? { ...schema, format: 'binary' } : schema,
  ]);
  const formSchema: SchemaObject = {
    type: 'object',
    properties: {
      ...Object.fromEntries(properties),
      inputs: { type: 'object', description: 'The inputs as JSON, instead of as separate fields.' },
    },
  };
  return {
    'application/json': { schema: { allOf: [runOptions, jsonSchema] }, examples: { example: { value: example } } },
    'multipart/form-data': {
      schema: { allOf: [runOptions, formSchema] },
      encoding: jsonParts(['inputs', 'metadata', 'webhook']),
    },
  };
}
