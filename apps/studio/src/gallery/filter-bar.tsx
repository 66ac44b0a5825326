import { useId } from 'react';
import { useWorkflowNames } from '../make/use-workflow-names.js';
import { type Filters, metadataFault } from './filters.js';

const CHOICES = {
  status: ['queued', 'running', 'canceling', 'succeeded', 'failed', 'canceled', 'expired'],
  lod: ['sketch', 'mid', 'final', 'direct_final'],
} as const;
const LABELS = { status: 'Status', workflow: 'Workflow', lod: 'Level of detail' } as const;

interface FilterBarProps {
  readonly filters: Filters;
  readonly onChange: (filters: Filters) => void;
}

/** Which jobs are shown. */
export function FilterBar({ filters, onChange }: FilterBarProps) {
  const change = (name: keyof Filters) => (event: { readonly target: { readonly value: string } }) =>
    onChange({ ...filters, [name]: event.target.value });
  const names = useWorkflowNames(filters.workflow);
  const fault = metadataFault(filters.metadata);
  const faultId = useId();
  // A graph that is run once is a workflow called so.
  const choices = { status: CHOICES.status, workflow: [...names, 'graph'], lod: CHOICES.lod };
  return (
    <search aria-label="Filters">
      <div className="filters">
        {(Object.keys(LABELS) as (keyof typeof LABELS)[]).map((name) => (
          <label key={name} className="field">
            <span className="label">{LABELS[name]}</span>
            <select value={filters[name]} onChange={change(name)}>
              <option value="">any</option>
              {[...new Set(choices[name])].map((choice) => (
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
          <input
            placeholder="order=7"
            value={filters.metadata}
            aria-invalid={fault !== undefined}
            aria-describedby={fault === undefined ? undefined : faultId}
            onChange={change('metadata')}
          />
        </label>
      </div>
      {fault !== undefined && (
        <p className="fault" id={faultId} role="status">
          {fault}
        </p>
      )}
    </search>
  );
}
