import type { FleetAlerts } from '@comfy-fleet/client';
import { useLayoutEffect, useRef, useState } from 'react';
import { since } from '../words.js';
import { groupsOf } from './alert-groups.js';

/** As many alerts as there is space for. The wall is drawn anew every second, so a window of another size is noticed. */
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
