import { roundUp } from './scale.js';
import { numberOf, type Series, type TimeChartProps } from './series.js';

/** In pixels. */
export const HEIGHT = 150;
/** Room for the numbers beside. */
export const LEFT = 36;
const TOP = 8;
const BOTTOM = 20;
const MINUTES_APART = 15;

interface ChartLinesProps extends TimeChartProps {
  readonly width: number;
  /** Which time is pointed at. */
  readonly index: number | undefined;
}

/** What is drawn of a chart. */
export function ChartLines({ times, series, kind, bound, width, index }: ChartLinesProps) {
  const step = (width - LEFT) / Math.max(1, times.length);
  const sums = times.map((_time, at) =>
    kind === 'lines'
      ? Math.max(...series.map(({ values }) => values[at] ?? 0))
      : series.reduce((sum, { values }) => sum + (values[at] ?? 0), 0),
  );
  const top = roundUp(Math.max(...sums, ...(bound?.values ?? []).map((value) => value ?? 0)));
  const y = (value: number) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
  const x = (at: number) => LEFT + at * step;
  const marks = times.flatMap((time, at) => ((times.length - 1 - at) % MINUTES_APART === 0 ? [{ time, at }] : []));
  return (
    <>
      {[0, top / 2, top].map((value) => (
        <g key={value}>
          <path className="grid-line" d={`M${LEFT} ${y(value)}H${width}`} />
          <text className="chart-number" x={LEFT - 6} y={y(value)}>
            {numberOf(value)}
          </text>
        </g>
      ))}
      {kind === 'columns'
        ? columnsOf()
        : series.map(({ name, paint, values }) => lineOf(name, `line-${paint}`, values))}
      {bound !== undefined && lineOf(bound.name, `line-${bound.paint}`, bound.values)}
      {index !== undefined && (
        <path className="chart-pointed" d={`M${x(index) + step / 2} ${TOP}V${HEIGHT - BOTTOM}`} />
      )}
      {marks.map(({ time, at }) => (
        <text
          key={time}
          className="chart-time"
          x={Math.min(width - 12, Math.max(LEFT + 16, x(at) + step / 2))}
          y={HEIGHT - 4}
        >
          {at === times.length - 1 ? 'now' : `−${times.length - 1 - at}`}
        </text>
      ))}
    </>
  );

  /** From each known value to the next; broken where none is known. */
  function lineOf(name: string, className: string, values: Series['values']) {
    const points = values.map((value, at) => {
      if (value === undefined) return '';
      return `${values[at - 1] === undefined ? 'M' : 'L'}${(x(at) + step / 2).toFixed(1)} ${y(value).toFixed(1)}h0`;
    });
    return <path key={name} className={`time-chart-line ${className}`} d={points.join('')} />;
  }

  function columnsOf() {
    const below = times.map(() => 0);
    return series.map(({ name, paint, values }) => {
      const path = times
        .map((_time, at) => {
          const from = below[at] ?? 0;
          const to = from + (values[at] ?? 0);
          below[at] = to;
          const height = y(from) - y(to);
          if (height <= 0) return '';
          const wide = Math.max(1, step - 1).toFixed(1);
          return `M${x(at).toFixed(1)} ${y(to).toFixed(1)}h${wide}v${height.toFixed(1)}h-${wide}z`;
        })
        .join('');
      return (
        <g key={name}>
          <path className={`paint-${paint}`} d={path} />
          <path className={`texture-${paint}`} d={path} />
        </g>
      );
    });
  }
}
