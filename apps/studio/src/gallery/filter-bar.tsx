import type { Filters } from './filters.js';

const CHOICES = {
  status: ['queued', 'running', 'canceling', 'succeeded', 'failed', 'canceled', 'expired'],
  kind: ['text2img', 'img2img', 'workflow'],
  lod: ['sketch', 'mid', 'final', 'direct_final'],
} as const;
const LABELS = { status: 'Status', kind: 'Kind', lod: 'Level of detail' } as const;

interface FilterBarProps {
  readonly filters: Filters;
  readonly onChange: (filters: Filters) => void;
}

/** Which jobs are shown. */
export function FilterBar({ filters, onChange }: FilterBarProps) {
  const change = (name: keyof Filters) => (event: { readonly target: { readonly value: string } }) =>
    onChange({ ...filters, [name]: event.target.value });
  return (
    <search className="filters" aria-label="Filters">
      {(Object.keys(CHOICES) as (keyof typeof CHOICES)[]).map((name) => (
        <label key={name} className="field">
          <span className="label">{LABELS[name]}</span>
          <select value={filters[name]} onChange={change(name)}>
            <option value="">any</option>
            {CHOICES[name].map((choice) => (
              <option key={choice}>{choice}</option>
            ))}
          </select>
        </label>
      ))}
      <label className="field">
        <span className="label">From</span>
        <input type="date" value={filters.from} onChange={change('from')} />
      </label>
      <label className="field">
        <span className="label">To</span>
        <input type="date" value={filters.to} onChange={change('to')} />
      </label>
      <label className="field">
        <span className="label">Metadata</span>
        <input placeholder="order=7" value={filters.metadata} onChange={change('metadata')} />
      </label>
    </search>
  );
}
