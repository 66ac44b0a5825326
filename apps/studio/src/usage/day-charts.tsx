import type { Usage } from '@comfy-fleet/client';
import { Chart } from '../charts/chart.js';
import { Textures } from '../charts/paint.js';
import { type PlotOptions, TIME_STEPS } from '../charts/plot.js';
import { formatNumber, gpuTime, shortDay } from '../parts/format.js';

type Day = Usage['data'][number];
const OUTCOMES = ['succeeded', 'failed', 'canceled', 'expired'] as const;
const PAINTS = { succeeded: 0, failed: 'bad', canceled: 'off', expired: 5 } as const;

/** A key's usage by day (UTC), as charts and as a table. */
export function DayCharts({ days }: { readonly days: readonly Day[] }) {
  const oldestFirst = days.toReversed();
  const ticks = [0, Math.floor(days.length / 2), days.length - 1];
  const places = oldestFirst.map(({ day }, at) => ({
    name: shortDay(day),
    ...(ticks.includes(at) && { tick: shortDay(day) }),
  }));
  return (
    <>
      <Textures />
      <div className="charts">
        <DayChart
          title="GPU time by day"
          plot={{
            kind: 'columns',
            places,
            format: gpuTime,
            steps: TIME_STEPS,
            series: [{ name: 'GPU time', paint: 0, values: oldestFirst.map(({ gpu_seconds }) => gpu_seconds) }],
          }}
        />
        <DayChart
          title="Jobs by the day they ended"
          plot={{
            kind: 'columns',
            places,
            format: formatNumber,
            series: OUTCOMES.map((name) => ({
              name,
              paint: PAINTS[name],
              values: oldestFirst.map((day) => day[name]),
            })),
          }}
        />
      </div>
      <details>
        <summary>As a table</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users must be able to scroll it */}
        <section className="wide-table" aria-label="Usage by day" tabIndex={0}>
          <table>
            <thead>
              <tr>
                {['Day (UTC)', 'Accepted', 'Succeeded', 'Failed', 'Canceled', 'Expired', 'Pictures', 'GPU time'].map(
                  (name) => (
                    <th key={name} scope="col">
                      {name}
                    </th>
                  ),
                )}
              </tr>
            </thead>
            <tbody>
              {days.map((day) => (
                <tr key={day.day}>
                  <th scope="row">{shortDay(day.day)}</th>
                  {[day.jobs, ...OUTCOMES.map((name) => day[name]), day.pictures].map((number, at) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: the columns stay where they are
                    <td key={at}>{formatNumber(number)}</td>
                  ))}
                  <td>{gpuTime(day.gpu_seconds)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </details>
    </>
  );
}

function DayChart({ title, plot }: { readonly title: string; readonly plot: PlotOptions }) {
  return (
    <figure className="chart">
      <figcaption className="label">{title}</figcaption>
      <Chart title={title} plot={plot} />
    </figure>
  );
}
