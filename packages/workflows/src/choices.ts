import { POOL_PATTERN } from '@comfy-fleet/contracts';
import { Ajv, type ValidateFunction } from 'ajv';
import type { Static } from 'typebox';
import Type from 'typebox';
import { PARAMETERS, type Parameter } from './bindings.js';
import { FileFault } from './file-fault.js';
import { describeNode, type Graph, nodeAt, type Slot } from './graph.js';
import { inputsFor } from './input-names.js';
import { suggest } from './wording.js';

const place = Type.Union([Type.String(), Type.Object({ node: Type.String(), input: Type.String() })]);
const places = Type.Union([place, Type.Array(place)]);

/** A `<name>.bindings.json`, which settles by title or id what the wiring leaves open. */
const choicesSchema = Type.Object(
  {
    /** The pool whose instances can run the workflow. */
    pool: Type.Optional(Type.String({ pattern: POOL_PATTERN })),
    /** The sampler to start from. */
    sampler: Type.Optional(Type.String()),
    /** The nodes that save the pictures. */
    output: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
    ...(Object.fromEntries(PARAMETERS.map((name) => [name, Type.Optional(places)])) as Record<
      Parameter,
      Type.TOptional<typeof places>
    >),
  },
  { additionalProperties: false },
);

export type Choices = Static<typeof choicesSchema>;
const KEYS = Object.keys(choicesSchema.properties);

/** Compiled at its first use, because compiling takes far longer than validating. */
let validate: ValidateFunction | undefined;

export function readChoices(json: unknown): Choices {
  // The schema is ours, and checking it would take ten times as long as compiling it.
  validate ??= new Ajv({ allErrors: true, validateSchema: false }).compile(choicesSchema);
  if (validate(json)) return json as Choices;
  const faults = (validate.errors ?? []).map(({ keyword, instancePath, params }) => {
    if (keyword === 'additionalProperties' && instancePath === '') {
      const written = String(params.additionalProperty);
      return `"${written}" is not a known key${suggest(written, KEYS)} (known: ${KEYS.join(', ')})`;
    }
    const key = instancePath.split('/')[1];
    if (key === undefined) return `must be an object of bindings, for instance {"sampler": "<title or id>"}`;
    if (key === 'pool') return `"pool" must be the name of a pool: up to 32 of a-z 0-9 -`;
    return key === 'sampler' || key === 'output'
      ? `"${key}" must be the title or id of a node`
      : `"${key}" must be the title or id of a node, {"node": …, "input": …}, or a list of these`;
  });
  throw new FileFault(...new Set(faults));
}

/** The id of the node with this id or title. */
export function findNode(graph: Graph, reference: string): string {
  if (Object.hasOwn(graph, reference)) return reference;
  const ids = Object.keys(graph).filter((id) => nodeAt(graph, id)._meta?.title === reference);
  const [id, other] = ids;
  if (id === undefined) {
    const titles = Object.values(graph).flatMap((node) => node._meta?.title ?? []);
    const known = [...Object.keys(graph), ...titles];
    throw wrong(`no node has the title or id "${reference}"${suggest(reference, known)}`);
  }
  if (other !== undefined) {
    throw wrong(`the title "${reference}" belongs to the nodes ${ids.join(' and ')}: write the id`);
  }
  return id;
}

/** The places that the file names for a parameter; undefined if it leaves them to the wiring. */
export function chosenSlots(graph: Graph, choices: Choices, parameter: Parameter): Slot[] | undefined {
  const chosen = choices[parameter];
  if (chosen === undefined) return undefined;
  return (Array.isArray(chosen) ? chosen : [chosen]).flatMap((reference) => {
    const node = findNode(graph, typeof reference === 'string' ? reference : reference.node);
    const inputs = typeof reference === 'string' ? inputsFor(nodeAt(graph, node), parameter) : [reference.input];
    if (inputs.some((input) => !(input in nodeAt(graph, node).inputs)) || inputs.length === 0) {
      const known = Object.keys(nodeAt(graph, node).inputs).join(', ');
      throw wrong(`${describeNode(graph, node)} has no such input for ${parameter} (its inputs: ${known})`);
    }
    return inputs.map((input) => ({ node, input }));
  });
}

const wrong = (problem: string): FileFault => new FileFault({ problem, inBindings: true });
