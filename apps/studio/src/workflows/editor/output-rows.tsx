import type { Workflow } from '@comfy-fleet/client';
import { type InputsFile, NAME, withOutput } from '../inputs-file.js';
import { SettingField } from './setting-field.js';

interface OutputRowsProps {
  readonly outputs: Workflow['outputs'];
  readonly file: InputsFile;
  readonly onChange: (file: InputsFile) => void;
}

/** The outputs that were found, each to be named. */
export function OutputRows({ outputs, file, onChange }: OutputRowsProps) {
  if (outputs.length === 0) return <p className="hint">It saves nothing.</p>;
  return (
    <div className="settings">
      {outputs.map(({ name, node_id: node, class_type }) => (
        <SettingField
          key={node}
          label={`${class_type}, node ${node}`}
          value={name}
          read={(text) => {
            const isFree = text === name || outputs.every((other) => other.name !== text);
            return NAME.test(text) && isFree ? { is: text } : undefined;
          }}
          fault="Up to 64 letters, digits, - and _, a letter first, and no other output’s name"
          onChange={(to) => to !== name && onChange(withOutput(file, node, to))}
        />
      ))}
    </div>
  );
}
