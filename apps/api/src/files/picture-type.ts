import { FleetError } from '@comfy-fleet/contracts';
import { FRAME_TYPES, frameTypeOf } from '@comfy-fleet/frames';

/**
 * What the bytes that a caller sent are, of what callers may send; undefined for anything else. Nothing else may reach the
 * decoder, which knows many more formats than callers are offered (SVG, PDF, HEIF, …).
 */
export function pictureType(data: Buffer): 'image/png' | 'image/jpeg' | 'image/webp' | undefined {
  const type = frameTypeOf(data);
  return type === undefined || type === 'gif' ? undefined : FRAME_TYPES[type];
}

/** The type that a header or data URL claims, without parameters; undefined when it claims none. */
export function claimedType(header: string | undefined): string | undefined {
  const type = header?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  // octet-stream is what programs write that do not know
  if (type === '' || type === 'application/octet-stream') return undefined;
  return type === 'image/jpg' || type === 'image/pjpeg' ? 'image/jpeg' : type;
}

/** The picture in the field that `pointer` names cannot be used; `detail` says why. */
export function invalidImage(pointer: string, detail: string, cause?: unknown): FleetError {
  return new FleetError('invalid_image', detail, { errors: [{ pointer, detail }], cause });
}
