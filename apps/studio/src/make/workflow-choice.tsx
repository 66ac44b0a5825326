import { useQuery } from '@tanstack/react-query';
import { useId } from 'react';
import { useFleet } from '../session/session.js';

interface WorkflowChoiceProps {
  readonly chosen: string;
  readonly onChange: (name: string) => void;
}

/** Which workflow is to run: text2img first. */
export function WorkflowChoice({ chosen, onChange }: WorkflowChoiceProps) {
  const id = useId();
  const fleet = useFleet();
  const { data } = useQuery({ queryKey: ['workflows'], queryFn: ({ signal }) => fleet.workflows({ signal }) });
  const names = (data ?? []).map(({ name }) => name);
  const first = ['text2img', 'img2img'];
  const sorted = [...new Set([...first.filter((name) => names.includes(name)), ...names, chosen])];
  const description = data?.find(({ name }) => name === chosen)?.description;
  return (
    <div className="field">
      <label className="label" htmlFor={id}>
        Workflow
      </label>
      <select id={id} value={chosen} onChange={(event) => onChange(event.target.value)}>
        {sorted.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      {description && <p className="hint">{description}</p>}
    </div>
  );
}
