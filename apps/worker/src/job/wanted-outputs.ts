import type { HistoryEntry, OutputFile, OutputText } from '@comfy-fleet/comfyui';

export interface WantedOutputs {
  readonly files: readonly OutputFile[];
  readonly texts: readonly OutputText[];
}

/**
 * What is kept of what ComfyUI made: of the nodes that were asked for all, also what they only showed; else previews only
 * when there is nothing else.
 */
export function wantedOutputs(
  { outputs, temporary, texts }: Pick<HistoryEntry, 'outputs' | 'temporary' | 'texts'>,
  asked: ReadonlySet<string> | undefined,
): WantedOutputs {
  if (asked !== undefined) {
    const isAsked = ({ nodeId }: { readonly nodeId: string }) => asked.has(nodeId);
    return { files: [...outputs, ...temporary].filter(isAsked), texts: texts.filter(isAsked) };
  }
  return { files: outputs.length + texts.length > 0 ? outputs : temporary, texts };
}
