import {
  type Catalogue,
  createOutliner,
  type Graph,
  type NodeErrors,
  neededOf,
  type OpenedGraph,
  openerLike,
} from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';

/** What ComfyUI's verdict leaves of a graph. */
export interface Judgement {
  /** What its outputs need. */
  readonly opened: OpenedGraph;
  /** Ids of the outputs that run; undefined: nothing is known of its classes, and whatever looks like an output runs. */
  readonly outputs: readonly string[] | undefined;
  /** Of the outputs that do not run. */
  readonly nodeErrors: NodeErrors;
}

/** Judges a graph all of whose outputs are to run, by `judge` unless one of the same outline was judged before. */
export type KeptJudgements = (sent: unknown, catalogue: Catalogue, judge: () => Judgement) => Judgement;

/** Characters of graphs and their outlines that are kept: some hundred usual ones, and ten times as many bytes. */
const MOST_CHARS = 1024 * 1024;

interface Kept {
  readonly outputs: readonly string[];
  /** Whether the outputs need all of its nodes. */
  readonly isWhole: boolean;
  readonly open: (graph: Graph) => OpenedGraph;
}

/** Clients send the same graph again and again with another seed. Only what ComfyUI finds nothing wrong with is kept. */
export function createKeptJudgements(): KeptJudgements {
  const outlineOf = createOutliner();
  const known = new LRUCache<string, Kept>({ maxSize: MOST_CHARS });
  return (sent, catalogue, judge) => {
    const outline = outlineOf(sent, catalogue);
    if (outline === undefined) return judge();
    const { text, open } = outline;
    const before = known.get(text);
    if (before !== undefined) {
      const { outputs, isWhole } = before;
      const graph = isWhole ? (sent as Graph) : neededOf(sent as Graph, outputs);
      return { opened: before.open(graph), outputs, nodeErrors: {} };
    }
    const judged = judge();
    const { opened, outputs, nodeErrors } = judged;
    if (outputs !== undefined && Object.keys(nodeErrors).length === 0) {
      const size = text.length + 2 * opened.workflow.text.length;
      const isWhole = countOf(opened.workflow.graph) === countOf(sent);
      known.set(text, { outputs, isWhole, open: openerLike(opened, open) }, { size });
    }
    return judged;
  };
}

function countOf(graph: unknown): number {
  return Object.keys(graph as Graph).length;
}
