import { useId, useState } from 'react';
import { Swatch } from '../../charts/swatch.js';
import { useSize } from '../../parts/use-size.js';
import { clock } from '../words.js';
import { ChartLines, HEIGHT, LEFT } from './chart-lines.js';
import { ChartTable } from './chart-table.js';
import { numberOf, type TimeChartProps } from './series.js';

/** How some numbers went over the last hour, as a picture and as a table. */
export function TimeChart(props: TimeChartProps) {
  const { title, unit, times, series, bound, empty } = props;
  const [ref, { width }] = useSize<HTMLDivElement>();
  const [index, setIndex] = useState<number>();
  const heading = useId();
  const at = index ?? times.length - 1;
  const all = bound === undefined ? series : [...series, bound];
  const step = (width - LEFT) / Math.max(1, times.length);
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
          <div
            ref={ref}
            className="chart-picture"
            aria-hidden="true"
            onPointerMove={({ clientX, currentTarget }) => {
              const x = clientX - currentTarget.getBoundingClientRect().left - LEFT;
              setIndex(Math.max(0, Math.min(times.length - 1, Math.floor(x / step))));
            }}
            onPointerLeave={() => setIndex(undefined)}
          >
            <svg aria-hidden="true" width={width} height={HEIGHT}>
              {width > LEFT && <ChartLines {...props} width={width} index={index} />}
            </svg>
          </div>
          <ul className="paint-legend time-chart-legend">
            <li className="hint">{index === undefined ? 'now' : clock(times[at] ?? 0).slice(0, 5)}</li>
            {all.map(({ name, paint, values }) => (
              <li key={name}>
                <Swatch paint={paint} /> {name} <strong>{numberOf(values[at] ?? 0)}</strong>
              </li>
            ))}
          </ul>
          <ChartTable title={title} times={times} series={all} />
        </>
      )}
    </section>
  );
}
