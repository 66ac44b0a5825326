import { useId, useState } from 'react';
import { Chart } from '../../charts/chart.js';
import type { PlotOptions } from '../../charts/plot.js';
import { clock } from '../words.js';

interface TimeChartProps {
  readonly title: string;
  /** Of its numbers, such as `jobs per minute`. */
  readonly unit: string;
  /** ms since 1970, oldest first, a minute apart. */
  readonly times: readonly number[];
  readonly plot: Omit<PlotOptions, 'places' | 'format'>;
  readonly empty: string;
}

const MINUTES_APART = 15;

/** How some numbers went over the last hour, as a picture and as a table. */
export function TimeChart({ title, unit, times, plot, empty }: TimeChartProps) {
  const heading = useId();
  const places = times.map((time, at) => {
    const ago = times.length - 1 - at;
    if (ago === 0) return { name: 'now', tick: 'now' };
    return { name: minute(time), ...(ago % MINUTES_APART === 0 && { tick: `−${ago}` }) };
  });
  return (
    <section className="card panel time-chart" aria-labelledby={heading}>
      <div className="panel-head">
        <h2 id={heading}>{title}</h2>
        <span className="hint">{unit}</span>
      </div>
      {times.length === 0 ? (
        <p className="empty">{empty}</p>
      ) : (
        <>
          <Chart title={title} plot={{ ...plot, places, format }} />
          <ChartTable title={title} times={times} plot={plot} />
        </>
      )}
    </section>
  );
}

/** The numbers behind a chart, newest first. */
function ChartTable({ title, times, plot: { series, bound } }: Pick<TimeChartProps, 'title' | 'times' | 'plot'>) {
  const [isOpen, setOpen] = useState(false);
  const columns = bound === undefined ? series : [...series, bound];
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>As a table</summary>
      {isOpen && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
        <section className="scrolls" tabIndex={0} aria-label={`${title}, as a table`}>
          <table>
            <thead>
              <tr>
                <th scope="col">Minute</th>
                {columns.map(({ name }) => (
                  <th key={name} scope="col" className="number">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {times
                .map((time, at) => ({ time, at }))
                .filter(({ at }) => columns.some(({ values }) => values[at] !== undefined))
                .map(({ time, at }) => (
                  <tr key={time}>
                    <th scope="row">{minute(time)}</th>
                    {columns.map(({ name, values }) => (
                      <td key={name} className="number">
                        {format(values[at] ?? 0)}
                      </td>
                    ))}
                  </tr>
                ))
                .reverse()}
            </tbody>
          </table>
        </section>
      )}
    </details>
  );
}

function minute(time: number): string {
  return clock(time).slice(0, 5);
}

function format(value: number): string {
  return (Math.round(value * 10) / 10).toLocaleString('en');
}
