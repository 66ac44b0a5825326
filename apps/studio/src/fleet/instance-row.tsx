import { useCallback } from 'react';
import { useLocation } from 'wouter';
import { clock, count, modelName, percent, since } from '../parts/format.js';
import { useMe } from '../session.js';
import { type Instance, STATE_WORDS, timeInState } from './instances.js';
import { PauseButton } from './pause-button.js';
import type { FleetSnapshot } from './pause-consequences.js';
import { Lane } from './timeline/lane.js';
import type { Span, TimeRange } from './timeline/spans.js';

/** How many models are named before the rest is counted. */
const MODELS = 2;

interface InstanceRowProps {
  readonly instance: Instance;
  readonly spans: readonly Span[];
  /** The history does not reach back to the start. */
  readonly isCut: boolean;
  readonly range: TimeRange;
  readonly paints: ReadonlyMap<string, number>;
  readonly snapshot: FleetSnapshot;
  /** When the data was read, in ms since 1970. */
  readonly at: number;
}

/** An instance with its state, timeline, loaded models, and a button to drain it. */
export function InstanceRow({ instance, spans, isCut, range, paints, snapshot, at }: InstanceRowProps) {
  const { name, state, reason, known, isDrained } = instance;
  const [, go] = useLocation();
  const mayOpen = useMayOpen();
  const onOpen = useCallback(
    ({ job_id, key }: Span) => (job_id === null || !mayOpen(key) ? undefined : () => go(`/gallery/${job_id}`)),
    [go, mayOpen],
  );
  return (
    <li className="instance" data-state={state} data-instance={name}>
      <div className="instance-name">
        <h3>{name}</h3>
        <p>
          <StateBadge state={state} />
          {known !== undefined && <span className="hint"> {timeInState(instance, at)}</span>}
        </p>
      </div>
      <Lane name={name} spans={spans} range={range} paints={paints} onOpen={onOpen} />
      <div className="instance-pause">
        {(known !== undefined || isDrained) && (
          <PauseButton target={{ kind: 'instance', name }} isPaused={isDrained} snapshot={snapshot} />
        )}
      </div>
      <div className="instance-facts">
        {reason !== undefined && <p className="instance-reason">{reason}</p>}
        {isCut && <p className="hint">Its history begins at {clock(spans[0]?.from ?? at)}</p>}
        {known !== undefined && <Holds models={known.models} />}
        {known !== undefined && <p className="hint">{factsOf(known, at)}</p>}
        {known?.encode_ahead && (
          <p className="hint">
            Encode-ahead: {known.encode_ahead.state}, {known.encode_ahead.text}
          </p>
        )}
      </div>
    </li>
  );
}

export function StateBadge({ state }: Pick<Instance, 'state'>) {
  return (
    <span className="instance-state" data-state={state}>
      {STATE_WORDS[state]}
    </span>
  );
}

function Holds({ models }: { readonly models: readonly string[] }) {
  if (models.length === 0) return <p className="hint">No known models loaded</p>;
  const named = models.slice(0, MODELS).map(modelName);
  if (models.length <= MODELS) return <p className="hint">Loaded: {named.join(', ')}</p>;
  return (
    <details className="holds">
      <summary className="hint">
        Loaded: {named.join(', ')} and {models.length - MODELS} more
      </summary>
      <ul className="hint">
        {models.map((model) => (
          <li key={model}>{model}</li>
        ))}
      </ul>
    </details>
  );
}

function factsOf(known: NonNullable<Instance['known']>, at: number): string {
  const { busy_share, running, waiting, collecting, jobs_done, jobs_failed, rests, slowness, vram_bytes } = known;
  const partly = rests.filter(({ workflow, checkpoint, one_key }) => workflow || checkpoint || one_key).length;
  return [
    `busy ${percent(busy_share)}`,
    running === null ? '' : `running for ${since(running.since, at)}`,
    waiting.length === 0 ? '' : `${waiting.length} next`,
    collecting.length === 0 ? '' : `${collecting.length} being fetched`,
    `${jobs_done} done`,
    jobs_failed === 0 ? '' : `${jobs_failed} failed`,
    partly === 0 ? '' : `resting for ${count(partly, 'kind')} of work`,
    slowness === null || slowness < 1.5 ? '' : `${slowness.toFixed(1)} times slower than its peers`,
    vram_bytes === null ? '' : `${Math.round(vram_bytes / 2 ** 30)} GiB`,
  ]
    .filter((part) => part !== '')
    .join(' · ');
}

/** Returns whether the user may open jobs of a key: their own, or any if the fleet has no keys. */
function useMayOpen(): (key: string | null) => boolean {
  const { data: me } = useMe();
  return useCallback((key) => me !== undefined && (me.key === null || me.key === key), [me]);
}
