import type { OperationObject, PathsObject, SchemaObject } from 'openapi3-ts/oas31';

/** What the document says of one workflow. */
export interface DocumentedWorkflow {
  readonly name: string;
  readonly description: string | undefined;
  /** JSON Schema 2020-12 of its inputs. */
  readonly inputs: SchemaObject;
  /** A request for it. */
  readonly example: object;
}

/** Each workflow as a path of its own, with the inputs that it has; the rest is as `run`, of any workflow, says. */
export function workflowPaths(workflows: readonly DocumentedWorkflow[], run: OperationObject): PathsObject {
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
          requestBody: {
            required: true,
            content: {
              'application/json': { schema: bodySchema(inputs), examples: { example: { value: example } } },
            },
          },
          responses,
          security,
        },
      },
    ]),
  ) as PathsObject;
}

/** Beside the inputs stand the fields that every job has. */
function bodySchema(inputs: SchemaObject): SchemaObject {
  const isNeeded = (inputs.required ?? []).length > 0;
  return { type: 'object', properties: { inputs }, ...(isNeeded ? { required: ['inputs'] } : {}) };
}
