import type { Paint } from '../../charts/swatch.js';

export interface Series {
  readonly name: string;
  readonly paint: Paint;
  /** One for each time; undefined: not known. */
  readonly values: readonly (number | undefined)[];
}

export interface TimeChartProps {
  readonly title: string;
  /** Of its numbers, such as `jobs per minute`. */
  readonly unit: string;
  /** ms since 1970, oldest first, a minute apart. */
  readonly times: readonly number[];
  /** From below: columns stand on each other, lines do not. */
  readonly series: readonly Series[];
  readonly kind: 'columns' | 'lines';
  /** A dashed line over all. */
  readonly bound?: Series;
  readonly empty: string;
}

export function numberOf(value: number): string {
  return (Math.round(value * 10) / 10).toLocaleString('en');
}
