/** Something that its author should know of a workflow, at the nodes that it is about. */
export interface Note {
  /** A sentence. */
  readonly text: string;
  /** Ids. */
  readonly nodes: readonly string[];
  /** Of the node, as far as it is about one. */
  readonly widget: string | undefined;
  /** The input, or output, that it is about: also one that is not there. */
  readonly input: string | undefined;
}
