import type { ExpandedFrom } from '@comfy-fleet/contracts';

/** By which ids ComfyUI calls a node; they differ for one that another node put in its own place. */
interface Node {
  readonly nodeId: string;
  readonly expandedFrom?: ExpandedFrom | undefined;
}

/** As `executing` and `executed` have them. */
export function nodeUnderWay({ nodeId, expandedFrom }: Node) {
  return { node: nodeId, display_node: expandedFrom?.display ?? nodeId };
}

/** As `progress_state` and previews have them. */
export function nodeInProgress({ nodeId, expandedFrom }: Node) {
  const { display = nodeId, parent = null, real = nodeId } = expandedFrom ?? {};
  return { node_id: nodeId, display_node_id: display, parent_node_id: parent, real_node_id: real };
}

/** As the `meta` of the history has them. */
export function nodeMeta({ nodeId, expandedFrom }: Node) {
  const { display = nodeId, parent = null, real = nodeId } = expandedFrom ?? {};
  return { node_id: nodeId, display_node: display, parent_node: parent, real_node_id: real };
}
