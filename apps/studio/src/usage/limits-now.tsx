import type { Me, Usage } from '@comfy-fleet/client';
import { bytes, count, gpuTime } from '../parts/amounts.js';

interface LimitsNowProps {
  readonly now: Usage['now'];
  readonly limits: Me['limits'];
}

/** How much of its limits a key has used up. */
export function LimitsNow({ now, limits }: LimitsNowProps) {
  const resets = `anew in ${gpuTime(now.resets_in_seconds)}`;
  const rows = [
    {
      name: 'GPU time today',
      used: now.gpu_seconds + now.gpu_seconds_expected,
      most: limits.max_gpu_seconds_per_day,
      say: gpuTime,
      note: `waiting jobs included; ${resets}`,
    },
    { name: 'Uploads today', used: now.upload_bytes, most: limits.upload_bytes_per_day, say: bytes, note: resets },
    {
      name: 'Storage',
      used: now.storage_bytes,
      most: now.storage_share_bytes,
      say: bytes,
      note: 'your share; more while others use less',
    },
    { name: 'Jobs waiting', used: now.jobs_waiting, most: limits.jobs_waiting, say: count, note: 'more are refused' },
    { name: 'Jobs running', used: now.jobs_running, most: limits.jobs_running, say: count, note: 'more wait' },
  ];
  return (
    <ul className="limits">
      {rows.map(({ name, used, most, say, note }) => (
        <li key={name} className="card limit">
          <span className="label">{name}</span>
          <span className="limit-used">{say(used)}</span>
          {most === null ? (
            <span className="hint">no limit</span>
          ) : (
            <>
              <progress aria-label={name} max={most} value={Math.min(used, most)} data-full={used >= most} />
              <span className="hint">
                of {say(most)}, {note}
              </span>
            </>
          )}
        </li>
      ))}
      <li className="card limit">
        <span className="label">Requests a minute</span>
        <span className="limit-used">
          {limits.requests_per_minute === null ? '–' : count(limits.requests_per_minute)}
        </span>
        <span className="hint">{limits.requests_per_minute === null ? 'no limit' : 'at most'}</span>
      </li>
    </ul>
  );
}
