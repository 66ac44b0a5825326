import { FleetError } from '@comfy-fleet/client';

/** Shows an error. */
export function Fault({ error }: { readonly error: Error }) {
  const wait = error instanceof FleetError ? error.retryAfterSeconds : undefined;
  return (
    <p className="fault" role="alert">
      {error.message}
      {wait === undefined ? '' : ` Try again in ${wait} s.`}
    </p>
  );
}
