import type { Usage } from '@comfy-fleet/client';
import { count, gpuTime, shortDay } from '../parts/amounts.js';
import { BarChart } from './bar-chart.js';
import { roundTime, roundTop } from './scales.js';

type Day = Usage['data'][number];
const OUTCOMES = ['succeeded', 'failed', 'canceled', 'expired'] as const;

/** What a key used by day (UTC), as charts and as the table behind them. */
export function DayCharts({ days }: { readonly days: readonly Day[] }) {
  const oldestFirst = days.toReversed();
  return (
    <>
      <div className="charts">
        <BarChart
          title="GPU time by day"
          bars={oldestFirst.map(({ day, gpu_seconds }) => ({ day, parts: [{ name: 'GPU', amount: gpu_seconds }] }))}
          say={gpuTime}
          topOf={roundTime}
        />
        <BarChart
          title="Jobs by the day they ended"
          legend={OUTCOMES}
          topOf={roundTop}
          bars={oldestFirst.map((day) => ({
            day: day.day,
            parts: OUTCOMES.map((name) => ({ name, amount: day[name] })),
          }))}
          say={(jobs) => (Number.isInteger(jobs) ? count(jobs) : '')}
        />
      </div>
      <details>
        <summary>As a table</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
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
                    <td key={at}>{count(number)}</td>
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
