import Type, { type Static } from 'typebox';
import { nullable, time } from './schema-parts.js';

/** Names that a workflow may be published under: they stand in addresses, and `graph` means one that is not published. */
export const WORKFLOW_NAME_PATTERN = '^(?!graph$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}$';

const WORKFLOW_PLACES = ['folder', 'registry'] as const;
/** Where a workflow comes from: the folder of each server, or the registry that all share. */
export type WorkflowPlace = (typeof WORKFLOW_PLACES)[number];

const version = () => Type.String({ description: 'The hash of its content: what jobs of it name.' });
const place = () =>
  Type.Enum([...WORKFLOW_PLACES], { description: '`folder`: a file of the server; `registry`: published with PUT.' });

const publisher = () => nullable(Type.String({ description: 'The id of the API key.' }));

const workflowFaultSchema = Type.Object({
  source: place(),
  name: nullable(Type.String({ description: 'The workflow; null for a file of another kind.' })),
  detail: Type.String({ description: 'What is wrong with it.' }),
});
export type WorkflowFault = Static<typeof workflowFaultSchema>;

/** As `GET /workflows` answers. */
export const workflowListSchema = Type.Object({
  data: Type.Array(
    Type.Object({
      name: Type.String(),
      version: version(),
      description: nullable(Type.String()),
      source: place(),
      published_at: nullable(time()),
      published_by: publisher(),
      url: Type.String({ description: 'Where all of it is.' }),
    }),
    { description: 'In alphabetical order.' },
  ),
  faults: Type.Array(workflowFaultSchema, {
    description: 'What cannot be used. Of a workflow that worked before, the last good version goes on serving.',
  }),
});

const ableSchema = Type.Object({
  name: Type.String({ description: 'Of an instance, `<worker>/<n>`.' }),
  able: Type.Boolean({ description: 'It has every node class and model that the graph names.' }),
  lacks: Type.Array(Type.String(), { description: 'What it has not, in words.' }),
  missing: Type.Array(
    Type.Object({
      node_id: Type.String(),
      class_type: Type.String(),
      widget: nullable(Type.String({ description: 'Null: it has not the node class.' })),
      value: nullable(Type.String({ description: 'What it has not of it: a model file, an option.' })),
    }),
    { description: 'The same by node.' },
  ),
});

const noteSchema = Type.Object({
  kind: Type.Enum(['refused', 'unsettled', 'odd_default'], {
    description:
      '`refused`: ComfyUI would refuse it as it is; `unsettled`: an input or output is not there, because it is open which ' +
      'node is meant; `odd_default`: a default that its input would refuse.',
  }),
  detail: Type.String(),
  node_ids: Type.Array(Type.String(), { description: 'The nodes that it is about.' }),
  widget: nullable(Type.String()),
  input: nullable(Type.String({ description: 'The input or output that it is about.' })),
});

/** As `GET /workflows/:name` answers. */
export const workflowSchema = Type.Object({
  name: Type.String(),
  version: version(),
  description: nullable(Type.String()),
  source: place(),
  hides_file: Type.Boolean({ description: 'There is a file of that name too: it serves when this is deleted.' }),
  published_at: nullable(time()),
  published_by: publisher(),
  inputs: Type.Object(
    { type: Type.Literal('object') },
    { additionalProperties: true, description: 'JSON Schema 2020-12 of its inputs.' },
  ),
  found: Type.Array(
    Type.Object({
      input: Type.String(),
      rule: Type.Enum(['inputs_file', 'bindings_file', 'title', 'app_mode', 'wiring'], {
        description: 'How it was found.',
      }),
      places: Type.Array(
        Type.Object({
          node_id: Type.String(),
          node: Type.String({ description: 'For people.' }),
          widget: Type.String(),
        }),
        { description: 'Each gets the value.' },
      ),
    }),
    { description: 'Where its inputs stand in the graph.' },
  ),
  outputs: Type.Array(Type.Object({ name: Type.String(), node_id: Type.String(), class_type: Type.String() })),
  models: Type.Array(Type.String(), { description: 'The model files that the graph names.' }),
  node_classes: Type.Array(Type.String()),
  pool: nullable(Type.String({ description: 'The pool whose instances can run it; null when any can.' })),
  deadline_seconds: nullable(Type.Integer({ description: 'Longest execution, if it says so itself.' })),
  node_times: Type.Array(
    Type.Object({
      node_id: Type.String(),
      title: Type.String({ description: 'Its title, else its class.' }),
      class_type: Type.String(),
      ms: Type.Integer({ description: 'The median of its last executions, whatever their size.' }),
    }),
    { description: 'How long the nodes of this version take, the slowest first; of those that were seen to execute.' },
  ),
  pools: Type.Array(Type.Object({ name: Type.String(), instances: Type.Array(ableSchema) }), {
    description: 'The instances that may get its jobs and have said what they have, and which of them can run it now.',
  }),
  unsettled: Type.Array(Type.String(), {
    description: 'Inputs and outputs that it has not, because it is open which node is meant; and how to say it.',
  }),
  refused: Type.Array(Type.String(), { description: 'What ComfyUI would refuse the graph for, as it is.' }),
  notes: Type.Array(noteSchema, { description: 'Both, and more that its author should know, by node.' }),
  example: Type.Object({
    curl: Type.String({ description: 'A request for it.' }),
    body: Type.Object({}, { additionalProperties: true }),
  }),
});

/** As `GET /workflows/:name/versions` answers. */
export const workflowVersionsSchema = Type.Object({
  data: Type.Array(
    Type.Object({
      version: version(),
      published_at: nullable(time()),
      published_by: publisher(),
    }),
    { description: 'The newest first; that one new jobs run. A workflow of the folder has one.' },
  ),
});

const changeSchema = Type.Object({
  what: Type.String({ description: '`minimum`, `title`, the name of a widget, …' }),
  before: Type.Unknown({ description: 'Null where it was not there.' }),
  after: Type.Unknown({ description: 'Null where it is gone.' }),
});
const difference = {
  change: Type.Enum(['added', 'removed', 'changed']),
  changes: Type.Array(changeSchema, { description: 'Of what was changed.' }),
};

/** As `GET /workflows/:name/changes` answers. */
export const workflowChangesSchema = Type.Object({
  from: version(),
  to: version(),
  whole: Type.Array(changeSchema, { description: 'Of the workflow as a whole: description, pool, …' }),
  inputs: Type.Array(Type.Object({ input: Type.String(), ...difference })),
  outputs: Type.Array(Type.Object({ output: Type.String(), ...difference })),
  nodes: Type.Array(
    Type.Object({
      node_id: Type.String(),
      title: nullable(Type.String()),
      class_type: Type.String(),
      ...difference,
    }),
  ),
});

const optionalJson = (description: string) => nullable(Type.Object({}, { additionalProperties: true, description }));

/** As `PUT /workflows/:name?dry_run=` answers. */
export const workflowInspectionSchema = Type.Object({
  outcome: Type.Enum(['new', 'changed', 'same'], { description: 'What publishing it would come to.' }),
  workflow: workflowSchema,
  source: Type.Object(
    {
      graph: Type.String({ description: 'JSON, as text: numbers of JavaScript would round its seeds.' }),
      inputs: optionalJson('What an inputs file has.'),
      bindings: optionalJson('What a bindings file has.'),
      linear_data: Type.Unknown({ description: 'What App mode shows; null where nothing is known of it.' }),
    },
    { description: 'What it consists of, whatever it came in: the members of `{"graph": …}`, as PUT takes it.' },
  ),
  nodes: Type.Array(
    Type.Object({
      node_id: Type.String(),
      title: nullable(Type.String()),
      class_type: Type.String(),
      widgets: Type.Array(
        Type.Object({
          widget: Type.String(),
          schema: Type.Object({}, { additionalProperties: true, description: 'JSON Schema, as of an input of it.' }),
          value: Type.Unknown({ description: 'As the graph has it.' }),
        }),
        { description: 'What can be made an input.' },
      ),
    }),
  ),
  changes: nullable(workflowChangesSchema),
});

export type WorkflowChanges = Static<typeof workflowChangesSchema>;
export type WorkflowInspection = Static<typeof workflowInspectionSchema>;
export type WorkflowList = Static<typeof workflowListSchema>;
export type WorkflowAnswer = Static<typeof workflowSchema>;
export type WorkflowVersions = Static<typeof workflowVersionsSchema>;

export const VERSION_PATTERN = '^[0-9a-f]{64}$';
const versionQuery = (description: string) => Type.Optional(Type.String({ pattern: VERSION_PATTERN, description }));

export const graphQuerySchema = Type.Object(
  { version: versionQuery('Instead of the newest one.') },
  { additionalProperties: false },
);

export const changesQuerySchema = Type.Object(
  { from: versionQuery('Instead of the one before `to`.'), to: versionQuery('Instead of the newest one.') },
  { additionalProperties: false },
);

export const publishQuerySchema = Type.Object(
  {
    dry_run: Type.Optional(
      Type.Enum(['check', 'try'], {
        description:
          'Nothing is published, and the answer says what it would be. With `try` it is kept for an hour, so that ' +
          '`POST /workflows/{name}` runs it when `version` names it.',
      }),
    ),
  },
  { additionalProperties: false },
);
