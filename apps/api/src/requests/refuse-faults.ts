import { type FieldError, FleetError } from '@comfy-fleet/contracts';

/** Throws validation_failed when there are any. */
export function refuseFaults(errors: readonly FieldError[]): void {
  if (errors.length === 0) return;
  const detail = errors
    .map((error) => [error.pointer, error.detail].filter((part) => part !== '').join(' '))
    .join('; ');
  throw new FleetError('validation_failed', `${detail}.`, { errors });
}
