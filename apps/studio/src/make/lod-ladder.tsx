import type { LodProfile } from '@comfy-fleet/client';
import { LOD_NAMES } from '../jobs/words.js';
import type { Lod } from './order.js';

interface LodLadderProps {
  readonly profiles: readonly LodProfile[];
  readonly chosen: Lod | undefined;
  /** Whether the workflow may also run as it was saved. */
  readonly hasNone: boolean;
  readonly onChange: (lod: Lod | undefined) => void;
}

/** The level of detail, as the ladder that pictures climb; what is no rung of it stands beside. */
export function LodLadder({ profiles, chosen, hasNone, onChange }: LodLadderProps) {
  return (
    <fieldset className="ladder">
      <legend className="label">Level of detail</legend>
      <div className="rungs">
        {profiles.map(({ lod, steps, description }, index) => (
          <label key={lod} className="rung" data-rung={lod === 'direct_final' ? 'beside' : index} title={description}>
            <input type="radio" name="lod" checked={chosen === lod} onChange={() => onChange(lod)} />
            <span className="rung-name">{LOD_NAMES[lod]}</span>
            <span className="rung-steps">{steps} steps</span>
          </label>
        ))}
        {hasNone && (
          <label className="rung" data-rung="beside">
            <input type="radio" name="lod" checked={chosen === undefined} onChange={() => onChange(undefined)} />
            <span className="rung-name">As saved</span>
            <span className="rung-steps">no profile</span>
          </label>
        )}
      </div>
      <p className="hint">
        {profiles.find(({ lod }) => lod === chosen)?.description ?? 'The workflow as its author saved it.'}
      </p>
    </fieldset>
  );
}
