import {
  type HistoryEntry,
  type OutputFile,
  type OutputText,
  type OutputValues,
  PREVIEW,
  SOCKET_PICTURES,
} from '@comfy-fleet/comfyui';
import type { Graph } from '@comfy-fleet/workflows';

export interface WantedOutputs {
  readonly files: readonly OutputFile[];
  readonly texts: readonly OutputText[];
  readonly values: readonly OutputValues[];
}

interface Wish {
  /** What was run. */
  readonly graph: Graph;
  /** The nodes of the outputs that the caller asked for; `all`: also what is only shown; undefined: what saves. */
  readonly asked: ReadonlySet<string> | 'all' | undefined;
}

/**
 * What is kept of what ComfyUI made: of the nodes that were asked for all, also what they only showed; else previews only
 * when there is nothing else. Pictures that a node would have sent over the socket are none. ComfyUI has saved previews of
 * PreviewImage as well, see ComfyClient.submit.
 */
export function wantedOutputs(
  { outputs, temporary, texts, values }: Pick<HistoryEntry, 'outputs' | 'temporary' | 'texts' | 'values'>,
  { graph, asked }: Wish,
): WantedOutputs {
  const isOf = ({ nodeId }: OutputFile, className: string) => graph[nodeId]?.class_type === className;
  const previews = [...outputs.filter((file) => isOf(file, PREVIEW)), ...temporary];
  const all = [...outputs.filter((file) => !isOf(file, PREVIEW)), ...previews];
  if (asked === 'all') return { files: all, texts, values };
  if (asked !== undefined) {
    const isAsked = ({ nodeId, expandedFrom }: OutputText | OutputFile | OutputValues) =>
      asked.has(expandedFrom?.real ?? nodeId);
    return { files: all.filter(isAsked), texts: texts.filter(isAsked), values: values.filter(isAsked) };
  }
  const saved = all.filter((file) => !previews.includes(file) || isOf(file, SOCKET_PICTURES));
  return { files: saved.length + texts.length > 0 ? saved : previews, texts, values };
}
