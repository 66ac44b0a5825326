import type { FleetAlerts } from '@comfy-fleet/client';
import { useLayoutEffect, useRef, useState } from 'react';
import { Fault } from '../parts/fault.js';
import { clock, since } from '../parts/format.js';
import { API_URL } from '../session.js';
import { useAlerts } from './fleet-data.js';
import { groupsOf } from './summary.js';

/** The active alerts, each with a link to its runbook, and notes for operators. */
export function Alerts({ notes }: { readonly notes: readonly string[] }) {
  const { data, error, dataUpdatedAt } = useAlerts();
  const isWell = data !== undefined && data.judged_at !== null && data.alerts.length === 0;
  return (
    <section className="card panel" aria-labelledby="alerts">
      <div className="panel-head">
        <h2 id="alerts">Alerts</h2>
        {typeof data?.judged_at === 'string' && <span className="hint">as of {clock(data.judged_at)}</span>}
      </div>
      {error !== null && <Fault error={error} />}
      {data?.judged_at === null && <p>No dispatcher has checked yet. Start one to see alerts here.</p>}
      {isWell && <p className="all-well">No alerts.</p>}
      <ul className="alerts">
        {data?.alerts.map(({ name, severity, summary, since: began, subject, runbook }) => (
          <li key={[name, ...Object.values(subject)].join(' ')} className="alert" data-severity={severity}>
            <span className="severity">{severity}</span>
            <span className="alert-text">
              {summary} <span className="hint">for {since(began, dataUpdatedAt)}</span>
            </span>
            <a href={new URL(runbook.replace(/^\//, ''), API_URL).href} target="_blank" rel="noreferrer">
              What to do: {name}
            </a>
          </li>
        ))}
      </ul>
      {notes.length > 0 && (
        <details>
          <summary>Notes ({notes.length})</summary>
          <ul className="notes">
            {notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

/** Shows as many alerts as fit. The wall redraws every second, so it adapts to a resized window. */
export function WallAlerts({ alerts, now }: { readonly alerts: FleetAlerts['alerts']; readonly now: number }) {
  const groups = groupsOf(alerts);
  const list = useRef<HTMLUListElement>(null);
  const [fitting, setFitting] = useState(groups.length);
  useLayoutEffect(() => {
    if (list.current === null) return;
    const end = Math.ceil(list.current.getBoundingClientRect().bottom);
    setFitting([...list.current.children].filter((item) => item.getBoundingClientRect().bottom <= end).length);
  });
  return (
    <section className="wall-alerts" aria-label="Alerts">
      <ul ref={list}>
        {groups.map(({ first: { name, severity, summary, since: began }, others }, at) => (
          <li key={name} className="wall-alert" data-severity={severity} data-beyond={at >= fitting || undefined}>
            {severity === 'critical' && <span className="severity">critical</span>} {summary}
            {others > 0 && `, and ${others} more`} <span className="wall-since">for {since(began, now)}</span>
          </li>
        ))}
      </ul>
      <p className={groups.length === 0 ? 'all-well' : undefined}>
        {groups.length === 0 && 'No alerts'}
        {fitting < groups.length && `and ${groups.length - fitting} more`}
      </p>
    </section>
  );
}
