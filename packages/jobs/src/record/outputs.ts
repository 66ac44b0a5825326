import type { ExpandedFrom, OutputKind } from '@comfy-fleet/contracts';

/** How ComfyUI listed an output. */
export interface Listed {
  /** The key under which its node's output has it: `images`, `gifs`, `audio`, `text`, … */
  readonly key: string;
  /** A file that only shows something is `temp`. Of a text that was shown, `output`. */
  readonly type: 'output' | 'temp';
  /** The node said that what it lists moves. */
  readonly animated?: true;
  /** As VideoHelperSuite says it: `video/h264-mp4`, and frames a second. */
  readonly format?: string;
  readonly frameRate?: number;
  /** The node sends its pictures over the socket: SaveImageWebsocket. */
  readonly isSent?: true;
  /** The text is an object of what the node showed besides, each list under its own key. */
  readonly isValues?: true;
}

/** Of an output that says nothing of it. */
const AS_USUAL: Listed = { key: 'images', type: 'output' };

/** How ComfyUI listed it: what the record leaves out is the most common. */
export function listedOf({ kind, listed }: OutputRecord): Listed {
  return listed ?? (kind === 'text' ? { ...AS_USUAL, key: 'text' } : AS_USUAL);
}

/** What a record is to have of it: the most common is left out. */
export function listedToKeep(listed: Listed): Pick<OutputRecord, 'listed'> {
  const { key, type, ...more } = listed;
  const isUsual = key === AS_USUAL.key && type === AS_USUAL.type && Object.keys(more).length === 0;
  return isUsual ? {} : { listed };
}

/** One output as the record knows it; the bytes are in the frames store under `file`. */
export interface OutputRecord {
  /** The workflow's name for what its node gives. */
  readonly name: string;
  readonly nodeId: string;
  readonly expandedFrom?: ExpandedFrom;
  readonly kind: OutputKind;
  readonly file: string;
  /** As ComfyUI called it, without folders. */
  readonly filename: string;
  readonly contentType: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Pixels. */
  readonly width?: number;
  readonly height?: number;
  readonly durationSeconds?: number;
  /** Of kind `text`, unless it is too long. */
  readonly text?: string;
  /** See listedOf. */
  readonly listed?: Listed;
}

export type Picture = OutputRecord & { readonly width: number; readonly height: number };

/** The pictures among outputs: what every browser shows and every field of a picture is known of. */
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
