import type { Workflow, WorkflowInspection } from '@comfy-fleet/client';
import { useState } from 'react';
import { Notes } from '../notes.js';
import { shownValue, typeOf } from '../words.js';

type Node = WorkflowInspection['nodes'][number];

interface NodeListProps {
  readonly nodes: readonly Node[];
  readonly workflow: Pick<Workflow, 'found' | 'notes'>;
  /** Makes a widget an input. */
  readonly onInput: (node: Node, widget: string) => void;
}

/** With more nodes than this, the list can be searched. */
const MANY = 12;

/** The nodes of the graph and their widgets; nodes with notes come first. */
export function NodeList({ nodes, workflow: { found, notes }, onInput }: NodeListProps) {
  const [search, setSearch] = useState('');
  const notesOf = ({ node_id: id }: Node) => notes.filter(({ node_ids }) => node_ids.includes(id));
  const isFound = ({ node_id, title, class_type, widgets }: Node) =>
    [node_id, title, class_type, ...widgets.map(({ widget }) => widget)].join(' ').toLowerCase().includes(search);
  const sorted = [...nodes].sort((a, b) => Number(notesOf(b).length > 0) - Number(notesOf(a).length > 0));
  const inputAt = (node: string, widget: string) =>
    found.find(({ places }) => places.some((place) => place.node_id === node && place.widget === widget))?.input;
  return (
    <>
      {nodes.length > MANY && (
        <label className="field search">
          <span className="label">Find a node or a widget</span>
          <input type="search" value={search} onChange={(event) => setSearch(event.target.value.toLowerCase())} />
        </label>
      )}
      <ul className="nodes">
        {sorted.filter(isFound).map((node) => (
          <li key={node.node_id} className="node">
            <p className="part-head">
              <strong>{node.title ?? node.class_type}</strong>
              <span className="hint">
                node {node.node_id}, {node.class_type}
              </span>
            </p>
            <Notes notes={notesOf(node)} />
            <ul className="widgets">
              {node.widgets.map(({ widget, schema, value }) => {
                const input = inputAt(node.node_id, widget);
                return (
                  <li key={widget} className="widget">
                    <span className="widget-name">{widget}</span>
                    <span className="hint widget-value" title={typeOf(schema)}>
                      {shownValue(value)}
                    </span>
                    {input === undefined ? (
                      <button type="button" className="quiet" onClick={() => onInput(node, widget)}>
                        Make it an input
                        <span className="sr-only">
                          : {widget} of {node.title ?? node.class_type}
                        </span>
                      </button>
                    ) : (
                      <span className="tag">input {input}</span>
                    )}
                  </li>
                );
              })}
            </ul>
          </li>
        ))}
      </ul>
    </>
  );
}
