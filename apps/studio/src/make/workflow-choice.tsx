import { useId } from 'react';
import { useWorkflowNames, useWorkflows } from './use-workflow-names.js';

interface WorkflowChoiceProps {
  readonly chosen: string;
  readonly onChange: (name: string) => void;
}

/** Which workflow is to run: text2img first. */
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
