import { shortDay } from '../parts/amounts.js';

/** A stack of amounts of one day, the lowest first. */
export interface Bar {
  readonly day: string;
  readonly parts: readonly { readonly name: string; readonly amount: number }[];
}

interface BarChartProps {
  readonly title: string;
  /** The oldest day first. */
  readonly bars: readonly Bar[];
  readonly say: (amount: number) => string;
  /** The end of the scale for the largest amount. */
  readonly topOf: (amount: number) => number;
  /** What the colours mean, in the order of the parts; absent where there is one. */
  readonly legend?: readonly string[];
}

/** Amounts by day. What it shows stands in a table beside it. */
export function BarChart({ title, bars, say, topOf, legend }: BarChartProps) {
  const top = topOf(Math.max(0, ...bars.map(sumOf)));
  const width = 100 / bars.length;
  const x = (at: number) => `${(at * width + width * 0.12).toFixed(3)}%`;
  return (
    <figure className="chart">
      <figcaption>
        <span className="label">{title}</span>
        {legend && (
          <span className="legend">
            {legend.map((name, series) => (
              <span key={name} data-series={series}>
                {name}
              </span>
            ))}
          </span>
        )}
      </figcaption>
      <div className="chart-area">
        <div className="chart-scale" aria-hidden="true">
          <span>{say(top)}</span>
          <span>{say(top / 2)}</span>
          <span>0</span>
        </div>
        <svg className="chart-bars" role="img" aria-label={`${title}; the table below has the numbers`}>
          {[0, 50, 100].map((y) => (
            <line key={y} className="chart-line" x1="0" x2="100%" y1={`${y}%`} y2={`${y}%`} />
          ))}
          {bars.map((bar, at) => (
            <g key={bar.day}>
              <title>{`${shortDay(bar.day)}: ${wordsOf(bar, say)}`}</title>
              <rect className="chart-column" x={`${at * width}%`} y="0" width={`${width}%`} height="100%" />
              {stackOf(bar, top).map(({ name, y, height }, series) => (
                <rect
                  key={name}
                  data-series={series}
                  x={x(at)}
                  y={`${y}%`}
                  width={`${(width * 0.76).toFixed(3)}%`}
                  height={`${height}%`}
                />
              ))}
            </g>
          ))}
        </svg>
        <div className="chart-days" aria-hidden="true">
          <span>{shortDay(bars[0]?.day ?? '')}</span>
          {bars.length > 2 && <span>{shortDay(bars[Math.floor(bars.length / 2)]?.day ?? '')}</span>}
          <span>{shortDay(bars.at(-1)?.day ?? '')}</span>
        </div>
      </div>
    </figure>
  );
}

function sumOf({ parts }: Bar): number {
  return parts.reduce((sum, { amount }) => sum + amount, 0);
}

/** Where each part stands, in hundredths of the height from the top. */
function stackOf({ parts }: Bar, top: number) {
  let floor = 100;
  return parts.map(({ name, amount }) => {
    const height = (amount / top) * 100;
    floor -= height;
    return { name, y: floor, height };
  });
}

function wordsOf({ parts }: Bar, say: (amount: number) => string): string {
  const told = parts.filter(({ amount }) => amount > 0);
  if (told.length === 0) return 'nothing';
  return told.map(({ name, amount }) => (parts.length === 1 ? say(amount) : `${say(amount)} ${name}`)).join(', ');
}
