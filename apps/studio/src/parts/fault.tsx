import { FleetError } from '@comfy-fleet/client';

/** What went wrong, in words. */
export function Fault({ error }: { readonly error: Error }) {
  const wait = error instanceof FleetError ? error.retryAfterSeconds : undefined;
  return (
    <p className="fault" role="alert">
      {error.message}
      {wait === undefined ? '' : ` Try again in ${wait} s.`}
    </p>
  );
}
