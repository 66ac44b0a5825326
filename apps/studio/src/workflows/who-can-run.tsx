import type { Workflow } from '@comfy-fleet/client';

type Able = Workflow['pools'][number]['instances'][number];

/** Instances that lack the same things. */
interface Alike {
  readonly names: readonly string[];
  readonly missing: Able['missing'];
}

/** Which instances can run a workflow, and what the others lack. */
export function WhoCanRun({ pools }: Pick<Workflow, 'pools'>) {
  return (
    <>
      {pools.map(({ name, instances }) => (
        <section key={name} aria-label={`Pool ${name}`} className="who">
          <p>
            Pool {name}: <strong>{sumOf(instances)}</strong>
          </p>
          {alike(instances).map(({ names, missing }) => (
            <div key={names[0]} className="who-group">
              <p className={missing.length === 0 ? 'able' : 'unable'}>
                {missing.length === 0 ? 'Can' : 'Cannot'}: <Names names={names} />
              </p>
              {missing.length > 0 && (
                <ul className="lacks" aria-label="What they lack">
                  {missing.map((one) => (
                    <li key={`${one.node_id} ${one.widget} ${one.value}`}>{lackOf(one)}</li>
                  ))}
                </ul>
              )}
            </div>
          ))}
        </section>
      ))}
    </>
  );
}

const MOST_NAMES = 8;

function Names({ names }: { readonly names: readonly string[] }) {
  if (names.length <= MOST_NAMES) return <>{names.join(', ')}</>;
  return (
    <details className="who-names">
      <summary>{names.length} instances</summary>
      {names.join(', ')}
    </details>
  );
}

function sumOf(instances: readonly Able[]): string {
  const able = instances.filter((one) => one.able).length;
  if (instances.length === 0) return 'no instance has reported yet';
  if (able === instances.length) return able === 1 ? 'its one instance can run it' : `all ${able} instances can run it`;
  return able === 0 ? 'no instance can run it' : `${able} of ${instances.length} instances can run it`;
}

function alike(instances: readonly Able[]): Alike[] {
  const groups = new Map<string, Alike>();
  for (const { name, missing } of [...instances].sort((a, b) => a.missing.length - b.missing.length)) {
    const key = JSON.stringify(missing);
    groups.set(key, { missing, names: [...(groups.get(key)?.names ?? []), name] });
  }
  return [...groups.values()];
}

function lackOf({ node_id, class_type, widget, value }: Able['missing'][number]): string {
  if (widget === null) return `the node class ${class_type} (node ${node_id})`;
  return `${value}, the ${widget} of node ${node_id} (${class_type})`;
}
