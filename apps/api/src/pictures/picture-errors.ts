import { FleetError } from '@comfy-fleet/contracts';

/** The picture in the field that `pointer` names cannot be used; `detail` says why. */
export function invalidImage(pointer: string, detail: string, cause?: unknown): FleetError {
  return new FleetError('invalid_image', detail, { errors: [{ pointer, detail }], cause });
}
