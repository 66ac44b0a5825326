import type {
  ContentObject,
  OpenAPIObject,
  OperationObject,
  PathsObject,
  ReferenceObject,
  ResponsesObject,
  SchemaObject,
} from 'openapi3-ts/oas31';
import { jsonParts } from './operation-object.js';

/** What the document says of one workflow. */
export interface DocumentedWorkflow {
  readonly name: string;
  readonly description: string | undefined;
  /** JSON Schema 2020-12 of its inputs. */
  readonly inputs: SchemaObject;
  /** A request for it. */
  readonly example: object;
}

/** The fields that every job has. */
const OPTIONS: ReferenceObject = { $ref: '#/components/schemas/RunOptions' };

/**
 * The document with each workflow as a path of its own, with the inputs that it has; the rest is as `run`, of any workflow,
 * says. The answers are the same for all, and stand in the document once.
 */
export function withWorkflows(
  document: OpenAPIObject,
  run: OperationObject,
  workflows: readonly DocumentedWorkflow[],
): OpenAPIObject {
  const answers = Object.entries((run.responses ?? {}) as ResponsesObject);
  const nameOf = (status: string) => `RunWorkflow${status}`;
  const responses = Object.fromEntries(
    answers.map(([status]) => [status, { $ref: `#/components/responses/${nameOf(status)}` }]),
  );
  const any = document.paths?.['/workflows/{name}'];
  return {
    ...document,
    paths: {
      ...document.paths,
      '/workflows/{name}': { ...any, post: { ...run, responses } },
      ...workflowPaths(workflows, { ...run, responses }, fieldsOf(document)),
    },
    components: {
      ...document.components,
      responses: Object.fromEntries(answers.map(([status, answer]) => [nameOf(status), answer])),
    },
  };
}

/** Names that are no inputs of a form, whatever a workflow calls its own. */
function fieldsOf({ components }: OpenAPIObject): ReadonlySet<string> {
  const { properties } = (components?.schemas?.RunOptions ?? {}) as SchemaObject;
  return new Set(['inputs', ...Object.keys(properties ?? {})]);
}

function workflowPaths(
  workflows: readonly DocumentedWorkflow[],
  run: OperationObject,
  fields: ReadonlySet<string>,
): PathsObject {
  const { responses, security } = run;
  const parameters = (run.parameters ?? []).filter((one) => !('in' in one && one.in === 'path'));
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
          parameters,
          requestBody: { required: true, content: bodies(inputs, example, fields) },
          responses,
          security,
        },
      },
    ]),
  ) as PathsObject;
}

function bodies(inputs: SchemaObject, example: object, fields: ReadonlySet<string>): ContentObject {
  const isNeeded = (inputs.required ?? []).length > 0;
  const ofOrder: SchemaObject = {
    type: 'object',
    properties: { inputs },
    ...(isNeeded ? { required: ['inputs'] } : {}),
  };
  const own = Object.entries(inputs.properties ?? {}).filter(([name]) => !fields.has(name));
  const properties = own.map(([name, schema]) => [name, formField(schema)]);
  const ofForm: SchemaObject = {
    type: 'object',
    properties: {
      ...Object.fromEntries(properties),
      inputs: { type: 'object', description: 'Inputs as JSON, instead of fields of their own.' },
    },
  };
  return {
    'application/json': {
      schema: { allOf: [OPTIONS, ofOrder] },
      examples: { example: { value: example } },
    },
    'multipart/form-data': {
      schema: { allOf: [OPTIONS, ofForm] },
      encoding: jsonParts(['inputs', 'metadata', 'webhook']),
    },
  };
}

/** A file, or what names one. */
function formField(schema: SchemaObject | ReferenceObject): SchemaObject | ReferenceObject {
  return 'contentMediaType' in schema ? { ...schema, format: 'binary' } : schema;
}
