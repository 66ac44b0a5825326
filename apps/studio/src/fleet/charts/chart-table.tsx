import { useState } from 'react';
import { clock } from '../words.js';
import { numberOf, type Series } from './series.js';

interface ChartTableProps {
  readonly title: string;
  readonly times: readonly number[];
  readonly series: readonly Series[];
}

/** The numbers behind a chart, newest first. */
export function ChartTable({ title, times, series }: ChartTableProps) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>As a table</summary>
      {isOpen && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
        <section className="scrolls" tabIndex={0} aria-label={`${title}, as a table`}>
          <table>
            <thead>
              <tr>
                <th scope="col">Minute</th>
                {series.map(({ name }) => (
                  <th key={name} scope="col" className="number">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {times
                .map((time, at) => ({ time, at }))
                .filter(({ at }) => series.some(({ values }) => values[at] !== undefined))
                .map(({ time, at }) => (
                  <tr key={time}>
                    <th scope="row">{clock(time).slice(0, 5)}</th>
                    {series.map(({ name, values }) => (
                      <td key={name} className="number">
                        {numberOf(values[at] ?? 0)}
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
