import type { Me } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams, useSearchParams } from 'wouter';
import { Fault } from '../parts/fault.js';
import { useTitle } from '../parts/use-title.js';
import { useFleet } from '../session/session.js';
import { useMe } from '../session/use-me.js';
import '../styles/usage.css';
import { DayCharts } from './day-charts.js';
import { HowKeysAreMade } from './how-keys-are-made.js';
import { KeysTable } from './keys-table.js';
import { LimitsNow } from './limits-now.js';
import { useKeyRows } from './use-key-rows.js';

const SPANS = [7, 30, 90] as const;
const DEFAULT_DAYS = 30;

/** What one's own key used, and for admins what all did; or one of them. */
export function UsagePage() {
  const { key } = useParams<{ readonly key?: string }>();
  const { data: me, error } = useMe();
  const [search, setSearch] = useSearchParams();
  const days = SPANS.find((span) => span === Number(search.get('days'))) ?? DEFAULT_DAYS;
  useTitle(key === undefined ? 'Usage' : `Usage of ${key}`);
  return (
    <div className="usage">
      {key !== undefined && <Link href="/usage">All usage</Link>}
      <div className="usage-head">
        <h1>{key === undefined ? 'Usage' : `Usage of ${key}`}</h1>
        <label className="usage-days">
          <span>Show</span>
          <select value={days} onChange={({ target }) => setSearch({ days: target.value }, { replace: true })}>
            {SPANS.map((span) => (
              <option key={span} value={span}>{`${span} days`}</option>
            ))}
          </select>
        </label>
      </div>
      {error !== null && <Fault error={error} />}
      {me !== undefined && (key !== undefined || me.rights.includes('jobs')) && (
        <OneKey key={key ?? ''} asked={key} me={me} days={days} />
      )}
      {me?.rights.includes('admin') && key === undefined && <EveryKey me={me} days={days} />}
    </div>
  );
}

interface OneKeyProps {
  /** Undefined: one's own. */
  readonly asked: string | undefined;
  readonly me: Me;
  readonly days: number;
}

function OneKey({ asked, me, days }: OneKeyProps) {
  const fleet = useFleet();
  const { data, error } = useQuery({
    queryKey: ['usage', asked, days],
    queryFn: ({ signal }) => fleet.usage({ days, signal, ...(asked === undefined ? {} : { key: asked }) }),
    placeholderData: (before) => before,
  });
  const keys = useKeyRows(days, asked !== undefined);
  const limits = asked === undefined ? me.limits : keys.data?.rows.find(({ key }) => key === asked)?.about?.limits;
  return (
    <>
      {error !== null && <Fault error={error} />}
      {data !== undefined && (
        <>
          {limits !== undefined && <LimitsNow now={data.now} limits={limits} />}
          <DayCharts days={data.data} />
        </>
      )}
    </>
  );
}

function EveryKey({ me, days }: { readonly me: Me; readonly days: number }) {
  const { data, error } = useKeyRows(days, true);
  return (
    <section className="every-key" aria-labelledby="keys-title">
      <h2 id="keys-title">Keys</h2>
      <HowKeysAreMade hasKeys={me.key !== null} />
      {error !== null && <Fault error={error} />}
      {data === undefined ? (
        error === null && <div className="page-loading" aria-busy="true" />
      ) : (
        <KeysTable keys={data} />
      )}
    </section>
  );
}
