import uPlot from 'uplot';
import { type Paint, TEXTURE_SIZE, TEXTURES } from './paint.js';

export interface Series {
  readonly name: string;
  readonly paint: Paint;
  /** A value for each place on the x axis; undefined if unknown. */
  readonly values: readonly (number | undefined)[];
  /** The dash pattern of a line, in pixels. */
  readonly dash?: number[];
}

/** One step of the x axis. */
export interface Place {
  readonly name: string;
  /** The label below it. */
  readonly tick?: string;
}

export interface PlotOptions {
  /** Oldest first. */
  readonly places: readonly Place[];
  /** Columns are stacked, the first series at the bottom. */
  readonly kind: 'columns' | 'lines';
  readonly series: readonly Series[];
  /** A line drawn over the columns. */
  readonly bound?: Series;
  readonly format: (value: number) => string;
  /** Possible distances between the lines of the y axis. */
  readonly steps?: readonly number[];
}

const HEIGHT = 180;
/** Width of the numbers on the left. */
const LEFT = 48;
const FONT = '12px system-ui, sans-serif';

/** 1, 2, 5, 10, 20, … */
const COUNT_STEPS = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();
const MINUTE_STEPS = [1, 2, 5, 10, 20, 30];
export const TIME_STEPS = [
  ...MINUTE_STEPS,
  ...MINUTE_STEPS.map((minutes) => minutes * 60),
  ...COUNT_STEPS.map((hours) => hours * 3600),
];

/** Draws a chart into the element. `onPoint` receives the index of the place under the pointer. */
export function drawPlot(
  element: HTMLElement,
  { places, kind, series, bound, format, steps = COUNT_STEPS }: PlotOptions,
  width: number,
  onPoint: (index: number | undefined) => void,
): uPlot {
  const text = (plot: uPlot) => styleOf(plot, 'chart-text').fill;
  const line = (plot: uPlot) => styleOf(plot, 'grid-line').stroke;
  const drawn = kind === 'lines' ? series.map(lineOf) : stacked(series).map(columnsOf);
  if (bound !== undefined) drawn.push(lineOf(bound));
  return new uPlot(
    {
      width,
      height: HEIGHT,
      padding: [8, 20, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? undefined)] },
      scales: {
        x: { time: false, range: [-0.5, places.length - 0.5] },
        y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.05)] },
      },
      axes: [
        {
          font: FONT,
          stroke: text,
          size: 24,
          grid: { show: false },
          ticks: { show: false },
          splits: () => places.flatMap(({ tick }, at) => (tick === undefined ? [] : [at])),
          values: (_plot, splits) => splits.map((at) => places[at]?.tick ?? ''),
        },
        {
          font: FONT,
          stroke: text,
          size: LEFT,
          space: 30,
          grid: { stroke: line, width: 1 },
          ticks: { show: false },
          incrs: [...steps],
          values: (_plot, splits) => splits.map(format),
        },
      ],
      series: [{}, ...drawn.map(({ options }) => options)], // the first series is the x axis
      // Stack each column on the one below it.
      bands: kind === 'lines' ? [] : series.slice(1).map((_, at) => ({ series: [at + 2, at + 1] })),
    },
    [places.map((_, at) => at), ...drawn.map(({ values }) => values)],
    element,
  );
}

type Values = (number | null)[];

function lineOf({ paint, values, dash = [] }: Series): { options: uPlot.Series; values: Values } {
  const stroke = (plot: uPlot) => styleOf(plot, `paint-${paint}`).fill;
  // A value between two unknown ones has no line, so draw a point.
  const alone = values.flatMap((value, at) =>
    value !== undefined && values[at - 1] === undefined && values[at + 1] === undefined ? [at] : [],
  );
  return {
    options: { stroke, width: 2, dash, points: { show: false, filter: () => alone, size: 4, fill: stroke } },
    values: values.map((value) => value ?? null),
  };
}

function columnsOf({ paint, values }: Series): { options: uPlot.Series; values: Values } {
  const paths = uPlot.paths.bars?.({ size: [0.9, Number.POSITIVE_INFINITY], gap: 1 });
  return {
    options: {
      width: 0,
      fill: (plot) => fillOf(plot, paint),
      ...(paths && { paths }),
      points: { show: false },
    },
    values: values.map((value) => value ?? null),
  };
}

/** Adds to each series the values of those before it. */
export function stacked(series: readonly Series[]): Series[] {
  return series.map((one, top) => ({
    ...one,
    values: one.values.map((own, at) =>
      own === undefined ? undefined : series.slice(0, top + 1).reduce((sum, { values }) => sum + (values[at] ?? 0), 0),
    ),
  }));
}

/** The colour of a paint with its texture, in the current theme. */
function fillOf(plot: uPlot, paint: Paint): string | CanvasPattern {
  const color = styleOf(plot, `paint-${paint}`).fill;
  const [, number] = /#texture-(\d)/.exec(styleOf(plot, `texture-${paint}`).fill) ?? [];
  const lines = TEXTURES[Number(number) - 1];
  const tile = document.createElement('canvas');
  tile.width = tile.height = Math.round(TEXTURE_SIZE * devicePixelRatio);
  const brush = tile.getContext('2d');
  if (lines === undefined || brush === null) return color;
  brush.fillStyle = color;
  brush.fillRect(0, 0, tile.width, tile.height);
  brush.scale(tile.width / TEXTURE_SIZE, tile.height / TEXTURE_SIZE);
  const { stroke, strokeOpacity } = styleOf(plot, 'texture-lines');
  brush.strokeStyle = stroke;
  brush.globalAlpha = Number(strokeOpacity);
  brush.stroke(new Path2D(lines));
  return plot.ctx.createPattern(tile, 'repeat') ?? color;
}

/** The styles of a CSS class in the current theme, which a canvas cannot use directly. */
function styleOf({ root }: uPlot, className: string): CSSStyleDeclaration {
  const probe = root.querySelector('[hidden]') ?? root.appendChild(document.createElement('i'));
  probe.toggleAttribute('hidden', true);
  probe.className = className;
  return getComputedStyle(probe);
}
