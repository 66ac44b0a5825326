import { useCallback } from 'react';
import { useLocation } from 'wouter';
import { clock, count, modelName, percent, since } from '../parts/format.js';
import { useMe } from '../session.js';
import { howLong, type Instance, STATE_WORDS } from './instances.js';
import { HaltButton } from './pause-button.js';
import type { Picture } from './pause-consequences.js';
import { Lane } from './timeline/lane.js';
import type { Span, Stretch } from './timeline/spans.js';

/** Named before the others are counted. */
const MODELS = 2;

interface InstanceRowProps {
  readonly instance: Instance;
  readonly stretches: readonly Stretch[];
  /** What came before the first of them is not known any more. */
  readonly isCut: boolean;
  readonly span: Span;
  readonly paints: ReadonlyMap<string, number>;
  readonly picture: Picture;
  /** ms since 1970 at which all of this was so. */
  readonly at: number;
}

/** An instance: its state, what it ran and holds, and its halt. */
export function InstanceRow({ instance, stretches, isCut, span, paints, picture, at }: InstanceRowProps) {
  const { name, state, reason, known, isDrained } = instance;
  const [, go] = useLocation();
  const mayOpen = useMayOpen();
  const onOpen = useCallback(
    ({ job_id, key }: Stretch) => (job_id === null || !mayOpen(key) ? undefined : () => go(`/gallery/${job_id}`)),
    [go, mayOpen],
  );
  return (
    <li className="instance" data-state={state} data-instance={name}>
      <div className="instance-name">
        <h3>{name}</h3>
        <p>
          <StateBadge state={state} />
          {known !== undefined && <span className="hint"> {howLong(instance, at)}</span>}
        </p>
      </div>
      <Lane name={name} stretches={stretches} span={span} paints={paints} onOpen={onOpen} />
      <div className="instance-halt">
        {(known !== undefined || isDrained) && (
          <HaltButton target={{ kind: 'instance', name }} isHalted={isDrained} picture={picture} />
        )}
      </div>
      <div className="instance-facts">
        {reason !== undefined && <p className="instance-reason">{reason}</p>}
        {isCut && <p className="hint">What it ran before {clock(stretches[0]?.from ?? at)} is not kept</p>}
        {known !== undefined && <Holds models={known.models} />}
        {known !== undefined && <p className="hint">{factsOf(known, at)}</p>}
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
  if (models.length === 0) return <p className="hint">Holds no known models</p>;
  const named = models.slice(0, MODELS).map(modelName);
  if (models.length <= MODELS) return <p className="hint">Holds {named.join(', ')}</p>;
  return (
    <details className="holds">
      <summary className="hint">
        Holds {named.join(', ')} and {models.length - MODELS} more
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
    running === null ? '' : `runs for ${since(running.since, at)}`,
    waiting.length === 0 ? '' : `${waiting.length} next`,
    collecting.length === 0 ? '' : `${collecting.length} being fetched`,
    `${jobs_done} done`,
    jobs_failed === 0 ? '' : `${jobs_failed} failed`,
    partly === 0 ? '' : `rests for ${count(partly, 'kind')} of work`,
    slowness === null || slowness < 1.5 ? '' : `${slowness.toFixed(1)} times as slow as its peers`,
    vram_bytes === null ? '' : `${Math.round(vram_bytes / 2 ** 30)} GiB`,
  ]
    .filter((part) => part !== '')
    .join(' · ');
}

/** Whether whoever looks may open a job of that key: one's own, or any where there are no keys. */
function useMayOpen(): (key: string | null) => boolean {
  const { data: me } = useMe();
  return useCallback((key) => me !== undefined && (me.key === null || me.key === key), [me]);
}
