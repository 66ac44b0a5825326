import type { Me, Usage } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams, useSearchParams } from 'wouter';
import { Fault } from '../parts/fault.js';
import { bytes, formatNumber, gpuTime } from '../parts/format.js';
import { useTitle } from '../parts/hooks.js';
import { useFleet, useMe } from '../session.js';
import { DayCharts } from './day-charts.js';
import { KeysTable, useKeyRows } from './keys-table.js';

const SPANS = [7, 30, 90] as const;
const DEFAULT_DAYS = 30;

/** The usage of the user's key, and for admins of all keys; or of one named key. */
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
  /** Undefined: the user's own key. */
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

/** Keys can be created only on the server, so that a stolen key cannot create others. */
export function HowKeysAreMade({ hasKeys }: { readonly hasKeys: boolean }) {
  return (
    <p className="hint">
      {hasKeys
        ? 'Keys are created and revoked on the server'
        : 'This fleet has no keys: anyone who can reach it can do everything. Keys are created on the server'}
      , with <code>npm run keys -- create NAME</code> and <code>npm run keys -- revoke NAME</code>; limits and weights
      are in the keys file. The API picks up changes within two seconds.
    </p>
  );
}

interface LimitsNowProps {
  readonly now: Usage['now'];
  readonly limits: Me['limits'];
}

/** How much of each limit a key has used. */
export function LimitsNow({ now, limits }: LimitsNowProps) {
  const resets = `resets in ${gpuTime(now.resets_in_seconds)}`;
  const gpuLimit = limits.max_gpu_seconds_per_day;
  const rows = [
    {
      name: 'GPU time today',
      used: now.gpu_seconds + (gpuLimit === null ? 0 : now.gpu_seconds_expected),
      limit: gpuLimit,
      format: gpuTime,
      note: `waiting jobs included; ${resets}`,
    },
    { name: 'Uploads today', used: now.upload_bytes, limit: limits.upload_bytes_per_day, format: bytes, note: resets },
    {
      name: 'Storage',
      used: now.storage_bytes,
      limit: now.storage_share_bytes,
      format: bytes,
      note: 'your share; more while others use less',
    },
    {
      name: 'Jobs waiting',
      used: now.jobs_waiting,
      limit: limits.jobs_waiting,
      format: formatNumber,
      note: 'more are refused',
    },
    {
      name: 'Jobs running',
      used: now.jobs_running,
      limit: limits.jobs_running,
      format: formatNumber,
      note: 'more wait',
    },
  ];
  return (
    <ul className="limits">
      {rows.map(({ name, used, limit, format, note }) => (
        <li key={name} className="card limit">
          <span className="label">{name}</span>
          <span className="limit-used">{format(used)}</span>
          {limit === null ? (
            <span className="hint">no limit</span>
          ) : (
            <>
              <progress aria-label={name} max={limit} value={Math.min(used, limit)} data-full={used >= limit} />
              <span className="hint">
                of {format(limit)}, {note}
              </span>
            </>
          )}
        </li>
      ))}
      <li className="card limit">
        <span className="label">Requests a minute</span>
        <span className="limit-used">
          {limits.requests_per_minute === null ? '–' : formatNumber(limits.requests_per_minute)}
        </span>
        <span className="hint">{limits.requests_per_minute === null ? 'no limit' : 'at most'}</span>
      </li>
    </ul>
  );
}
