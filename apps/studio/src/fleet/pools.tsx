import type { Picture } from './halts/consequences.js';
import { HaltButton } from './halts/halt-button.js';
import { clock, count, duration } from './words.js';

/** Each pool: what waits, what takes it, and its pause. */
export function Pools({ picture }: { readonly picture: Picture }) {
  const { status, halts } = picture;
  const paused = new Map(halts.pools.map((halt) => [halt.name, halt]));
  return (
    <section className="card panel" aria-labelledby="pools">
      <h2 id="pools">Pools</h2>
      <ul className="pools">
        {status.pools.map(({ name, waiting, running, instances, backlog_seconds, mismatches }) => {
          const halt = paused.get(name);
          return (
            <li key={name} className="pool">
              <div>
                <h3>{name}</h3>
                <p className="hint">
                  {count(waiting, 'waits', 'wait')}, {count(running, 'runs', 'run')}; {count(instances, 'instance')} up
                  {backlog_seconds === null || backlog_seconds === 0
                    ? ''
                    : `; about ${duration(backlog_seconds)} of work`}
                </p>
                {halt !== undefined && (
                  <p className="instance-reason">
                    Paused since {clock(halt.since)} by {halt.by}
                  </p>
                )}
                {mismatches.map(({ instance, node, input, lacks }) => (
                  <p key={`${instance} ${node} ${input}`} className="instance-reason">
                    {instance} is not like the others: it lacks{' '}
                    {lacks.length === 0 ? node : `${lacks.join(', ')} (${node})`}
                  </p>
                ))}
              </div>
              <HaltButton target={{ kind: 'pool', name }} isHalted={halt !== undefined} picture={picture} />
            </li>
          );
        })}
      </ul>
    </section>
  );
}
