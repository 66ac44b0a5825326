import { FILE_KINDS, POOL_PATTERN, workflowLimitsSchema } from '@comfy-fleet/contracts';
import { Ajv, type ValidateFunction } from 'ajv';
import type { Static } from 'typebox';
import Type from 'typebox';
import { findNode } from '../choices.js';
import { type Fault, FileFault, gatherFaults } from '../file-fault.js';
import { describeNode, type Graph, nodeAt, type Slot } from '../graph.js';
import { ownProfilesSchema } from '../lod-profiles.js';
import type { FoundInput } from './found-input.js';
import { meantWidgets, widgetOf } from './widget.js';

/** Names are used as JSON keys, form fields and titles, where a widget follows after a point. */
export const INPUT_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

const place = Type.Object({ node: Type.String(), widget: Type.String() }, { additionalProperties: false });

const input = Type.Object(
  {
    /** By title or id; several nodes get the same value. */
    node: Type.Union([Type.String(), Type.Array(Type.Union([Type.String(), place]), { minItems: 1 })]),
    /** Optional if the node has only one. */
    widget: Type.Optional(Type.String()),
    description: Type.Optional(Type.String()),
    default: Type.Optional(Type.Unknown()),
    minimum: Type.Optional(Type.Number()),
    maximum: Type.Optional(Type.Number()),
    /** The allowed values. */
    options: Type.Optional(Type.Array(Type.Union([Type.String(), Type.Number()]), { minItems: 1 })),
    required: Type.Optional(Type.Boolean()),
    order: Type.Optional(Type.Number()),
    group: Type.Optional(Type.String()),
    /** Whether forms hide it among advanced inputs. */
    advanced: Type.Optional(Type.Boolean()),
    /** Not an input: the graph's value stays. */
    hidden: Type.Optional(Type.Boolean()),
    /** The kind of file that it takes, if the graph alone does not tell. */
    file: Type.Optional(Type.Enum([...FILE_KINDS])),
  },
  { additionalProperties: false },
);

/** A `<name>.inputs.json`, which states what the graph cannot. */
const fileSchema = Type.Object(
  {
    description: Type.Optional(Type.String()),
    inputs: Type.Optional(Type.Record(Type.String({ pattern: INPUT_NAME.source }), input)),
    /** Values of levels of detail, which take precedence over lod-profiles.json. */
    profiles: Type.Optional(ownProfilesSchema),
    /** An execution that takes longer is interrupted. */
    deadline_seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400 })),
    /** Whether ComfyUI may save pictures as WebP, from which the worker makes the PNGs; if its prompts are short. */
    fast_save: Type.Optional(Type.Boolean()),
    /** Limits for jobs of this workflow, instead of the service's. */
    limits: Type.Optional(workflowLimitsSchema),
    /** The pool whose instances can run the workflow. */
    pool: Type.Optional(Type.String({ pattern: POOL_PATTERN })),
    /** Nodes by output name, as title or id. */
    outputs: Type.Optional(Type.Record(Type.String({ pattern: INPUT_NAME.source }), Type.String())),
  },
  { additionalProperties: false },
);

export type InputsFile = Static<typeof fileSchema>;

/** Compiled at its first use, because compiling takes far longer than validating. */
let validate: ValidateFunction | undefined;

/** Throws a FileFault with all errors of the file. */
export function readInputsFile(json: unknown): InputsFile {
  // The schema is ours, and checking it would take ten times as long as compiling it.
  validate ??= new Ajv({ allErrors: true, validateSchema: false, code: { optimize: false } }).compile(fileSchema);
  if (validate(json)) return json as InputsFile;
  const faults = (validate.errors ?? []).map(({ instancePath, message, params }) => {
    const unknown = params.additionalProperty;
    const where = instancePath === '' ? 'it' : instancePath.slice(1).split('/').join(' → ');
    return unknown === undefined ? `${where} ${message}` : `"${unknown}" of ${where} is not a known key`;
  });
  throw new FileFault(...new Set(faults));
}

export function byInputsFile(graph: Graph, { inputs = {} }: InputsFile): { inputs: FoundInput[]; faults: Fault[] } {
  const found: FoundInput[] = [];
  const owners = new Map<string, string>();
  const placeId = ({ node, input }: Slot) => JSON.stringify([node, input]);
  const faults = gatherFaults(
    Object.entries(inputs).map(([name, { node: nodes, widget, ...told }]) => () => {
      const slots = [nodes].flat().flatMap((place) => {
        const { node: reference, widget: input = widget } = typeof place === 'string' ? { node: place } : place;
        const node = findNode(graph, reference);
        if (input === undefined) return meantWidgets(graph, node, name).map((meant) => ({ node, input: meant }));
        if (widgetOf(nodeAt(graph, node), input) !== undefined) return { node, input };
        const problem = `${name}: ${describeNode(graph, node)} has no widget "${input}" that can be set`;
        throw new FileFault({ problem, at: { node } });
      });
      const places = slots.map(placeId);
      const rival = places.map((place) => owners.get(place)).find((owner) => owner !== undefined);
      if (rival !== undefined) {
        const problem = `${rival} and ${name} are both in one place: only one can be obeyed`;
        throw new FileFault({ problem, between: slots.map(({ node }) => node) });
      }
      for (const place of places) owners.set(place, name);
      found.push({ name, slots, rule: 'inputsFile', ...told });
    }),
  );
  return { inputs: found, faults };
}
