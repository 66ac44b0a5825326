import { FILE_KINDS, POOL_PATTERN, workflowLimitsSchema } from '@comfy-fleet/contracts';
import { Ajv, type ValidateFunction } from 'ajv';
import Type, { type Static } from 'typebox';
import { FileFault } from '../file-fault.js';
import { ownProfilesSchema } from '../lod-profiles.js';

/** Names travel as JSON keys, form fields and titles, where a point is followed by a widget. */
export const INPUT_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

const place = Type.Object({ node: Type.String(), widget: Type.String() }, { additionalProperties: false });

const input = Type.Object(
  {
    /** By title or id; several get the same value. */
    node: Type.Union([Type.String(), Type.Array(Type.Union([Type.String(), place]), { minItems: 1 })]),
    /** May be left out where the node has only one. */
    widget: Type.Optional(Type.String()),
    description: Type.Optional(Type.String()),
    default: Type.Optional(Type.Unknown()),
    minimum: Type.Optional(Type.Number()),
    maximum: Type.Optional(Type.Number()),
    /** All that it may be. */
    options: Type.Optional(Type.Array(Type.Union([Type.String(), Type.Number()]), { minItems: 1 })),
    required: Type.Optional(Type.Boolean()),
    order: Type.Optional(Type.Number()),
    group: Type.Optional(Type.String()),
    /** Whether forms fold it away. */
    advanced: Type.Optional(Type.Boolean()),
    /** It is no input: what the graph says stands. */
    hidden: Type.Optional(Type.Boolean()),
    /** The kind of file that it takes, where the graph alone does not tell. */
    file: Type.Optional(Type.Enum([...FILE_KINDS])),
  },
  { additionalProperties: false },
);

/** A `<name>.inputs.json`: says what the graph cannot. */
const fileSchema = Type.Object(
  {
    description: Type.Optional(Type.String()),
    inputs: Type.Optional(Type.Record(Type.String({ pattern: INPUT_NAME.source }), input)),
    /** What a level of detail sets here, before lod-profiles.json. */
    profiles: Type.Optional(ownProfilesSchema),
    /** An execution that takes longer is interrupted. */
    deadline_seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400 })),
    /** Instead of the service's, for jobs of this workflow. */
    limits: Type.Optional(workflowLimitsSchema),
    /** The pool whose instances can run the workflow. */
    pool: Type.Optional(Type.String({ pattern: POOL_PATTERN })),
    /** Name to node, by title or id. */
    outputs: Type.Optional(Type.Record(Type.String({ pattern: INPUT_NAME.source }), Type.String())),
  },
  { additionalProperties: false },
);

export type InputsFile = Static<typeof fileSchema>;

/** Compiled at its first use: that takes far longer than to validate. */
let validate: ValidateFunction | undefined;

/** Throws a FileFault with everything that is wrong in it. */
export function readInputsFile(json: unknown): InputsFile {
  // The schema is ours: to check that it is one would take Ajv ten times as long as to compile it.
  validate ??= new Ajv({ allErrors: true, validateSchema: false, code: { optimize: false } }).compile(fileSchema);
  if (validate(json)) return json as InputsFile;
  const faults = (validate.errors ?? []).map(({ instancePath, message, params }) => {
    const unknown = params.additionalProperty;
    const where = instancePath === '' ? 'it' : instancePath.slice(1).split('/').join(' → ');
    return unknown === undefined ? `${where} ${message}` : `"${unknown}" of ${where} is not a known key`;
  });
  throw new FileFault(...new Set(faults));
}
