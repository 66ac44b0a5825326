import type { HistoryEntry, OutputFile, OutputText } from '@comfy-fleet/comfyui';

export interface WantedOutputs {
  readonly files: readonly OutputFile[];
  readonly texts: readonly OutputText[];
}

/** What is kept of what ComfyUI made: previews only when there is nothing else. */
export function wantedOutputs({ outputs, temporary, texts }: HistoryEntry): WantedOutputs {
  return { files: outputs.length + texts.length > 0 ? outputs : temporary, texts };
}
