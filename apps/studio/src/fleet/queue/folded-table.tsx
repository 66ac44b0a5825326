import { type ReactNode, useId, useState } from 'react';

interface FoldedTableProps {
  readonly title: string;
  readonly columns: readonly { readonly title: string; readonly isNumber?: boolean }[];
  /** The first cell names the row. */
  readonly rows: readonly { readonly key: string; readonly cells: readonly ReactNode[] }[];
  /** In place of no rows. */
  readonly empty: string;
}

/** Before the others are asked for. */
const FIRST = 8;

/** A table in a panel: its first rows, and all of them on request. */
export function FoldedTable({ title, columns, rows, empty }: FoldedTableProps) {
  const [isWhole, setWhole] = useState(false);
  const heading = useId();
  const classOf = (column: number) => (columns[column]?.isNumber ? 'number' : undefined);
  return (
    <section className="card panel" aria-labelledby={heading}>
      <h2 id={heading}>{title}</h2>
      {rows.length === 0 ? (
        <p className="empty">{empty}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
        <section className="scrolls" tabIndex={0} aria-label={`${title}, as a table`}>
          <table>
            <thead>
              <tr>
                {columns.map((column, index) => (
                  <th key={column.title} scope="col" className={classOf(index)}>
                    {column.title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {(isWhole ? rows : rows.slice(0, FIRST)).map(({ key, cells: [name, ...cells] }) => (
                <tr key={key}>
                  <th scope="row">{name}</th>
                  {cells.map((cell, index) => (
                    <td key={columns[index + 1]?.title} className={classOf(index + 1)}>
                      {cell}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      {rows.length > FIRST && (
        <button type="button" className="quiet" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
          {isWhole ? `Show ${FIRST}` : `Show all ${rows.length}`}
        </button>
      )}
    </section>
  );
}
