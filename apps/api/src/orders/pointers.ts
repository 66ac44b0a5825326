import type { FieldError } from '@comfy-fleet/contracts';
import { describeNode, type Graph, type Place, type Slot, type Workflow } from '@comfy-fleet/workflows';
import { escapePointer } from '../server/field-errors.js';

/** JSON pointers into the body of a request that creates jobs. */
export interface Pointers {
  /** An input of the workflow. */
  readonly input: (name: string) => string;
  /** An input of a node that no workflow input sets; without `input`, the class of the node. */
  readonly node: (node: string, input: string | undefined) => string;
}

/** For values that no part of the body sets. */
const WHOLE = () => '';

/** For POST /workflows/:name. */
export const IN_INPUTS: Pointers = { input: (name) => `/inputs/${escapePointer(name)}`, node: WHOLE };

/** For the route that creates jobs of the workflow. */
export function pointersOf({ kind }: Pick<Workflow, 'kind'>): Pointers {
  return kind === 'workflow' ? IN_INPUTS : { input: (name) => `/${escapePointer(name)}`, node: WHOLE };
}

/** For a body in which a single field determines the whole job. */
export function onlyAt(pointer: string): Pointers {
  return { input: () => pointer, node: WHOLE };
}

/** For a body that contains the graph. `files` maps input names to the slots of files. */
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

/** A fault of a job's graph, with the pointer to the part of the body that causes it. */
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
