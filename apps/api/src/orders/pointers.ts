import type { FieldError } from '@comfy-fleet/contracts';
import { describeNode, type Graph, type Place, type Slot, type Workflow } from '@comfy-fleet/workflows';
import { escapePointer } from '../server/field-errors.js';

/** Where in the body of an order things stand, as JSON pointers. */
export interface Pointers {
  /** An input of the workflow. */
  readonly input: (name: string) => string;
  /** What no input of the workflow sets: an input of a node, or the class of the node. */
  readonly node: (node: string, input: string | undefined) => string;
}

/** For what no part of the body sets. */
const WHOLE = () => '';

/** Of POST /workflows/:name. */
export const IN_INPUTS: Pointers = { input: (name) => `/inputs/${escapePointer(name)}`, node: WHOLE };

/** Of a route that orders a job of the workflow. */
export function pointersOf({ kind }: Pick<Workflow, 'kind'>): Pointers {
  return kind === 'workflow' ? IN_INPUTS : { input: (name) => `/${escapePointer(name)}`, node: WHOLE };
}

/** Of a body in which one field decides everything. */
export function onlyAt(pointer: string): Pointers {
  return { input: () => pointer, node: WHOLE };
}

/** Of a graph that stands in the body itself; `files` says which of its inputs are files. */
export function inGraph(files: ReadonlyMap<string, Slot>): Pointers {
  return {
    input: (name) => atPlace(files.get(name)),
    node: (node, input) => (input === undefined ? `${atPlace({ node })}/class_type` : atPlace({ node, input })),
  };
}

export function atPlace(place: Place | undefined): string {
  if (place === undefined) return '/graph';
  const node = `/graph/${escapePointer(place.node)}`;
  return place.input === undefined ? node : `${node}/inputs/${escapePointer(place.input)}`;
}

/** A fault of the graph of a job, at the place of the body that it is about. */
export function faultAt(
  { node, input, detail }: { readonly node: string; readonly input?: string | undefined; readonly detail: string },
  { workflow, graph, pointers }: { readonly workflow: Workflow; readonly graph: Graph; readonly pointers: Pointers },
): FieldError {
  const setBy = input === undefined ? undefined : workflow.inputAt({ node, input })?.name;
  if (setBy !== undefined) return { pointer: pointers.input(setBy), detail };
  const pointer = pointers.node(node, input);
  if (pointer !== '' && input !== undefined) return { pointer, detail };
  return { pointer, detail: `${input === undefined ? '' : `${input} of `}${describeNode(graph, node)} ${detail}` };
}
