interface NodeTime {
  readonly node_id: string;
  readonly title: string;
  readonly class_type: string;
  /** Milliseconds, or a word such as `cached`. */
  readonly time: string | number;
}

/** The time that each node of a graph took, folded away. */
export function NodeTimes({ nodes }: { readonly nodes: readonly NodeTime[] }) {
  return (
    <details>
      <summary>Time of each node</summary>
      <table>
        <thead>
          <tr>
            <th scope="col">Node</th>
            <th scope="col">Class</th>
            <th scope="col">ms</th>
          </tr>
        </thead>
        <tbody>
          {nodes.map(({ node_id, title, class_type, time }) => (
            <tr key={node_id}>
              <td>{title}</td>
              <td>{class_type}</td>
              <td>{time}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
