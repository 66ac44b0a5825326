import { memo, useId, useMemo, useState } from 'react';
import { Chart } from '../charts/chart.js';
import { assignPaints, OTHER } from '../charts/paint.js';
import type { PlotOptions } from '../charts/plot.js';
import { Fault } from '../parts/fault.js';
import { clock } from '../parts/format.js';
import { useHistory } from './fleet-data.js';
import { keysOf, type Minute, minutesOf } from './minutes.js';

const EMPTY = 'The dispatcher has not recorded any data yet.';

/** Backlog, throughput and GPUs by key over the last hour. Memoised, so that it redraws only when its data change. */
export const Charts = memo(function Charts() {
  const { data, error } = useHistory();
  const slots = useMemo(() => (data === undefined ? [] : minutesOf(data)), [data]);
  const keys = useMemo(() => keysOf(slots), [slots]);
  const paints = useMemo(() => assignPaints(keys.filter((key) => key !== 'other')), [keys]);
  if (data === undefined)
    return error === null ? <div className="time-charts" aria-busy="true" /> : <Fault error={error} />;
  const times = slots.map(({ at }) => at);
  const of = (value: (minute: Minute) => number) => slots.map(({ minute }) => minute && value(minute));
  return (
    <>
      {error !== null && <Fault error={error} />}
      <div className="time-charts">
        <TimeChart
          title="Backlog"
          unit="jobs"
          times={times}
          empty={EMPTY}
          plot={{
            kind: 'lines',
            series: [
              { name: 'waiting', paint: 'waiting', values: of(({ waiting }) => waiting) },
              { name: 'running', paint: 'running', values: of(({ running }) => running), dash: [6, 3] },
            ],
          }}
        />
        <TimeChart
          title="Throughput"
          unit="jobs ended per minute"
          times={times}
          empty={EMPTY}
          plot={{
            kind: 'columns',
            series: [
              { name: 'completed', paint: 'good', values: of(({ completed }) => completed) },
              { name: 'failed', paint: 'bad', values: of(({ failed }) => failed) },
              { name: 'canceled', paint: 'off', values: of(({ canceled }) => canceled) },
            ],
          }}
        />
        <TimeChart
          title="GPUs by key"
          unit="busy GPUs"
          times={times}
          empty={EMPTY}
          plot={{
            kind: 'columns',
            series: keys.map((key) => ({
              name: key,
              paint: paints.get(key) ?? OTHER,
              values: of(({ gpus }) => gpus[key] ?? 0),
            })),
            bound: { name: 'instances up', paint: 'bound', values: of(({ up }) => up), dash: [2, 4] },
          }}
        />
      </div>
    </>
  );
});

interface TimeChartProps {
  readonly title: string;
  /** Such as `jobs per minute`. */
  readonly unit: string;
  /** ms since 1970, oldest first, a minute apart. */
  readonly times: readonly number[];
  readonly plot: Omit<PlotOptions, 'places' | 'format'>;
  readonly empty: string;
}

const MINUTES_APART = 15;

/** A chart and a table of numbers over the last hour. */
function TimeChart({ title, unit, times, plot, empty }: TimeChartProps) {
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

/** A chart's numbers as a table, newest first. */
function ChartTable({ title, times, plot: { series, bound } }: Pick<TimeChartProps, 'title' | 'times' | 'plot'>) {
  const [isOpen, setOpen] = useState(false);
  const columns = bound === undefined ? series : [...series, bound];
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>As a table</summary>
      {isOpen && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users must be able to scroll it
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
