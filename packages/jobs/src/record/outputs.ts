import type { OutputKind } from '@comfy-fleet/contracts';

/** One output as the record knows it; the bytes are in the frames store under `file`. */
export interface OutputRecord {
  /** The workflow's name for what its node gives. */
  readonly name: string;
  readonly nodeId: string;
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
}

/** A picture as earlier versions wrote it into a record. */
export interface OldImage extends Pick<OutputRecord, 'contentType' | 'bytes' | 'sha256'> {
  readonly name: string;
  readonly width: number;
  readonly height: number;
}

/** The outputs of a record, or its pictures if an earlier version wrote it. */
export function outputsOf(
  outputs: readonly OutputRecord[] | null,
  images: readonly OldImage[],
): readonly OutputRecord[] {
  if (outputs !== null) return outputs;
  return images.map(({ name, ...image }) => ({
    ...image,
    name: 'image',
    nodeId: '',
    kind: 'image',
    file: name,
    filename: name,
  }));
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
