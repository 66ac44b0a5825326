import type { WorkflowInspection } from '@comfy-fleet/client';
import { NAME } from '../inputs-file.js';
import type { Note } from '../notes.js';

interface SettleProps {
  readonly note: Note;
  readonly nodes: WorkflowInspection['nodes'];
  readonly onChoose: (node: string) => void;
}

/** Says which of several nodes is meant. */
export function Settle({ note: { kind, input, node_ids: ids }, nodes, onChoose }: SettleProps) {
  if (kind !== 'unsettled' || input === null || !NAME.test(input)) return null;
  return (
    <div className="buttons">
      {nodes
        .filter(({ node_id }) => ids.includes(node_id))
        .map(({ node_id: node, title, class_type }) => (
          <button key={node} type="button" onClick={() => onChoose(node)}>
            {input} is that of {title ?? class_type}, node {node}
          </button>
        ))}
    </div>
  );
}
