import type { ExpandedFrom, OutputKind } from '@comfy-fleet/contracts';

/** How ComfyUI listed an output. */
export interface Listed {
  /** The key in the output of its node: `images`, `gifs`, `audio`, `text`, … */
  readonly key: string;
  /** `temp` for files that a node only shows. Texts that were shown have `output`. */
  readonly type: 'output' | 'temp';
  /** The node marked its files as animated. */
  readonly animated?: true;
  /** From VideoHelperSuite: the format, such as `video/h264-mp4`, and the frames per second. */
  readonly format?: string;
  readonly frameRate?: number;
  /** The node sends its pictures over the socket (SaveImageWebsocket). */
  readonly isSent?: true;
  /** The text is an object with everything else that the node showed, each list under its own key. */
  readonly isValues?: true;
}

/** The most common listing, which records omit. */
const AS_USUAL: Listed = { key: 'images', type: 'output' };

/** How ComfyUI listed the output. Records omit the most common listing. */
export function listedOf({ kind, listed }: OutputRecord): Listed {
  return listed ?? (kind === 'text' ? { ...AS_USUAL, key: 'text' } : AS_USUAL);
}

/** The part of a record that says how the output was listed; empty for the most common listing. */
export function listedToKeep(listed: Listed): Pick<OutputRecord, 'listed'> {
  const { key, type, ...more } = listed;
  const isUsual = key === AS_USUAL.key && type === AS_USUAL.type && Object.keys(more).length === 0;
  return isUsual ? {} : { listed };
}

/** One output in a record. Its bytes are in the frame store under `file`. */
export interface OutputRecord {
  /** The name of this output in the workflow. */
  readonly name: string;
  readonly nodeId: string;
  readonly expandedFrom?: ExpandedFrom;
  readonly kind: OutputKind;
  readonly file: string;
  /** The file name that ComfyUI gave it, without folders. */
  readonly filename: string;
  readonly contentType: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Pixels. */
  readonly width?: number;
  readonly height?: number;
  readonly durationSeconds?: number;
  /** The content of an output of kind `text`, unless it is too long. */
  readonly text?: string;
  /** See listedOf. */
  readonly listed?: Listed;
}

export type Picture = OutputRecord & { readonly width: number; readonly height: number };

/** The pictures among the outputs: those that every browser shows and whose size is known. */
export function picturesOf(outputs: readonly OutputRecord[]): readonly Picture[] {
  return outputs.filter(
    (output): output is Picture =>
      (output.kind === 'image' || output.kind === 'animation') &&
      PICTURES.has(output.contentType) &&
      output.width !== undefined &&
      output.height !== undefined,
  );
}

const PICTURES: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/webp', 'image/gif']);
