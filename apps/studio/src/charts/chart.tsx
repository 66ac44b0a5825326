import { useEffect, useRef, useState } from 'react';
import { useSize } from '../parts/hooks.js';
import { Swatch } from './paint.js';
import { drawPlot, type PlotOptions } from './plot.js';

interface ChartProps {
  readonly title: string;
  readonly plot: PlotOptions;
}

/** A chart that shows the values under the pointer, or the last ones. Pages also show the same numbers as a table. */
export function Chart({ title, plot }: ChartProps) {
  const { places, series, bound, format } = plot;
  const [ref, { width }] = useSize<HTMLDivElement>();
  const [pointed, setPointed] = useState<number>();
  const last = useRef<number>(undefined);
  useEffect(() => {
    if (ref.current === null || width === 0) return;
    const kept = last.current;
    const drawn = drawPlot(ref.current, plot, width, (index) => {
      last.current = index;
      setPointed(index);
    });
    if (kept !== undefined) drawn.setCursor({ left: drawn.valToPos(kept, 'x'), top: 0 });
    const redraw = () => drawn.redraw();
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const theme = new MutationObserver(redraw);
    dark.addEventListener('change', redraw);
    theme.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    return () => {
      dark.removeEventListener('change', redraw);
      theme.disconnect();
      drawn.destroy();
    };
  }, [ref, width, plot]);
  const at = Math.min(pointed ?? places.length, places.length - 1);
  return (
    <>
      <div ref={ref} className="chart-picture" role="img" aria-label={`${title}; the table below has the numbers`} />
      <ul className="paint-legend">
        <li className="hint">{places[at]?.name}</li>
        {[...series, ...(bound === undefined ? [] : [bound])].map(({ name, paint, values }) => (
          <li key={name}>
            <Swatch paint={paint} /> {name} <strong>{format(values[at] ?? 0)}</strong>
          </li>
        ))}
      </ul>
    </>
  );
}
