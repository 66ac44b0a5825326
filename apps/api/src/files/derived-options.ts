import { type FieldError, FleetError } from '@comfy-fleet/contracts';
import type { FrameType } from '@comfy-fleet/frames';

/** The formats that frames can be made into, with their content types. A format's name is its file extension. */
export const FORMATS = { png: 'image/png', jpeg: 'image/jpeg', webp: 'image/webp' } as const;
export type Format = keyof typeof FORMATS;

export interface DerivedOptions {
  /** Pixels; undefined: as wide as the frame. */
  readonly width: number | undefined;
  readonly format: Format;
}

/**
 * What `?width=` and `?format=` ask for of a frame of this type; undefined when it is the frame as it is. Without a format
 * it is the frame's own, or PNG where that cannot be made. Throws validation_failed that names what there is.
 */
export function readDerivedOptions(
  query: URLSearchParams,
  widths: readonly number[],
  own: FrameType = 'png',
): DerivedOptions | undefined {
  const errors: FieldError[] = [];
  const choice = <T extends string>(name: string, known: readonly T[]): T | undefined => {
    const values = query.getAll(name);
    const chosen = values.length === 1 ? known.find((value) => value === values[0]) : undefined;
    if (values.length > 0 && chosen === undefined)
      errors.push({ pointer: `/${name}`, detail: `must be one of ${known.join(', ')}` });
    return chosen;
  };
  const width = choice('width', widths.map(String));
  const format = choice('format', Object.keys(FORMATS) as Format[]);
  if (errors.length > 0) throw new FleetError('validation_failed', 'The query has an invalid parameter.', { errors });
  if (width === undefined && (format === undefined || format === own)) return undefined;
  const kept = own === 'gif' ? 'png' : own;
  return { width: width === undefined ? undefined : Number(width), format: format ?? kept };
}
