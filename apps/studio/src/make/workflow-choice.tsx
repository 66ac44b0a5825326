import { useQuery } from '@tanstack/react-query';
import { useId } from 'react';
import { useFleet } from '../session.js';

interface WorkflowChoiceProps {
  readonly chosen: string;
  readonly onChange: (name: string) => void;
}

/** Chooses the workflow to run. */
export function WorkflowChoice({ chosen, onChange }: WorkflowChoiceProps) {
  const id = useId();
  const names = useWorkflowNames(chosen);
  const description = useWorkflows().find(({ name }) => name === chosen)?.description;
  return (
    <div className="field">
      <label className="label" htmlFor={id}>
        Workflow
      </label>
      <select id={id} value={chosen} onChange={(event) => onChange(event.target.value)}>
        {names.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      {description && <p className="hint">{description}</p>}
    </div>
  );
}

const FIRST = ['text2img', 'img2img'];

/** All workflows. */
function useWorkflows() {
  const fleet = useFleet();
  const { data = [] } = useQuery({ queryKey: ['workflows'], queryFn: ({ signal }) => fleet.workflows({ signal }) });
  return data;
}

/** The names of all workflows, text2img first, including the chosen one even if it no longer exists. */
export function useWorkflowNames(chosen: string): string[] {
  const names = useWorkflows().map(({ name }) => name);
  const sorted = [...FIRST.filter((name) => names.includes(name)), ...names, ...(chosen === '' ? [] : [chosen])];
  return [...new Set(sorted)];
}
