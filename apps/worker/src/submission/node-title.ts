import type { GraphNode } from '@comfy-fleet/workflows';

/** A title comes from the caller, and each event of a running job repeats it. */
const MOST_TITLE_CHARS = 200;

/** What people call a node: its title, else its class. */
export function nodeTitle(node: Pick<GraphNode, 'class_type' | '_meta'> | undefined): string | undefined {
  return (node?._meta?.title ?? node?.class_type)?.slice(0, MOST_TITLE_CHARS).toWellFormed();
}
