import { memo, useMemo } from 'react';
import { Fault } from '../../parts/fault.js';
import { OTHER, paintsOf } from '../timeline/paints.js';
import { useHistory } from '../use-fleet-data.js';
import { keysOf, type Minute, minutesOf } from './minutes.js';
import { TimeChart } from './time-chart.js';

const EMPTY = 'The dispatcher has not recorded any data yet.';

/** Backlog, throughput and who has the GPUs, over the last hour. Drawn again only when these change. */
export const Charts = memo(function Charts() {
  const { data, error } = useHistory();
  const slots = useMemo(() => (data === undefined ? [] : minutesOf(data)), [data]);
  const keys = useMemo(() => keysOf(slots), [slots]);
  const paints = useMemo(() => paintsOf(keys.filter((key) => key !== 'other')), [keys]);
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
          unit="jobs that ended, per minute"
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
          unit="GPUs at work"
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
