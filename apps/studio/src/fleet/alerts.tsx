import { Fault } from '../parts/fault.js';
import { API_URL } from '../session/session.js';
import { useAlerts } from './use-fleet-data.js';
import { clock, since } from './words.js';

/** What stands against the fleet, each with what to do, and what else an operator should know. */
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
          <summary>Worth knowing ({notes.length})</summary>
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
