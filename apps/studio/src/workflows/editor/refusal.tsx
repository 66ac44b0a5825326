import { FleetError } from '@comfy-fleet/client';
import { Fault } from '../../parts/fault.js';

/** Why it cannot be published as it is, each fault with its node. */
export function Refusal({ error }: { readonly error: Error }) {
  const errors = error instanceof FleetError ? error.errors : [];
  if (errors.length === 0) return <Fault error={error} />;
  return (
    <div role="alert">
      <p className="fault">It cannot be published like this:</p>
      <ul className="notes">
        {errors.map(({ pointer, detail }) => (
          <li key={`${pointer} ${detail}`} className="note" data-kind="refused">
            <p>{detail}</p>
          </li>
        ))}
      </ul>
    </div>
  );
}
