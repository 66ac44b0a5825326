import {
  type Catalogue,
  createOutliner,
  type Graph,
  isStillOpen,
  type NodeErrors,
  neededOf,
  type OpenedGraph,
  type OpenSlot,
  type Outline,
  openerLike,
} from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import type { Path } from './json-places.js';
import type { Parsed, Template } from './templates.js';

/** What ComfyUI's verdict leaves of a graph. */
export interface Judgement {
  /** What its outputs need. */
  readonly opened: OpenedGraph;
  /** Ids of the outputs that run; undefined: nothing is known of its classes, and whatever looks like an output runs. */
  readonly outputs: readonly string[] | undefined;
  /** Of the outputs that do not run. */
  readonly nodeErrors: NodeErrors;
}

/** The text that a graph came in. */
export interface GraphText extends Omit<Parsed, 'value'> {
  /** Makes a template of it, see Templates; undefined: it is not to be remembered. */
  readonly learn: ((isOpen: (path: Path) => boolean) => Template | undefined) | undefined;
  readonly isKnown: (template: Template) => boolean;
}

/** Judges a graph all of whose outputs are to run, by `judge` unless one of the same outline was judged before. */
export type KeptJudgements = (
  sent: unknown,
  catalogue: Catalogue,
  judge: () => Judgement,
  text?: GraphText | undefined,
) => Judgement;

/** Characters of graphs and their outlines that are kept: some hundred usual ones, and ten times as many bytes. */
const MOST_CHARS = 1024 * 1024;
/** Texts of one outline: who writes its graph differently each time is not learned from for ever. */
const MOST_LEARNED = 8;

interface Kept {
  readonly outputs: readonly string[];
  /** Whether the outputs need all of its nodes. */
  readonly isWhole: boolean;
  readonly open: (graph: Graph) => OpenedGraph;
  /** The templates that were made of such graphs; undefined for a text that was none. */
  learned: readonly (Template | undefined)[];
}

/** Of the graphs of a template: they have one outline while what is in its places says nothing about it. */
interface Alike {
  readonly outline: string;
  readonly catalogue: Catalogue;
  /** By the index of the template's path; undefined: outside of the graph. */
  readonly slots: readonly (OpenSlot | undefined)[];
}

/** Clients send the same graph again and again with another seed. Only what ComfyUI finds nothing wrong with is kept. */
export function createKeptJudgements(): KeptJudgements {
  const outlineOf = createOutliner();
  const known = new LRUCache<string, Kept>({ maxSize: MOST_CHARS });
  const alike = new WeakMap<Template, Alike>();

  /** What was kept of the template that its text is like, if the graph still has the outline. */
  const keptOfLike = (graph: Graph, catalogue: Catalogue, { template, changed }: GraphText): Kept | undefined => {
    const like = template && alike.get(template);
    if (like?.catalogue !== catalogue) return undefined;
    const isAsBefore = (slot: OpenSlot | undefined) => slot === undefined || isStillOpen(graph, slot, catalogue);
    return changed.every((index) => isAsBefore(like.slots[index])) ? known.get(like.outline) : undefined;
  };
  const learn = (text: GraphText, kept: Kept, catalogue: Catalogue, { text: outline, open }: Outline): void => {
    if (text.learn === undefined) return;
    kept.learned = kept.learned.filter((template) => template === undefined || text.isKnown(template));
    if (kept.learned.length >= MOST_LEARNED) return;
    const template = text.learn((path) => path[0] !== 'prompt' || slotAt(path, open) !== undefined);
    kept.learned = [...kept.learned, template];
    if (template === undefined) return;
    alike.set(template, { outline, catalogue, slots: template.paths.map((path) => slotAt(path, open)) });
  };

  return (sent, catalogue, judge, text) => {
    const like = text && keptOfLike(sent as Graph, catalogue, text);
    if (like !== undefined) return judgedAs(like, sent as Graph);
    const outline = outlineOf(sent, catalogue);
    if (outline === undefined) return judge();
    const before = known.get(outline.text);
    if (before !== undefined) {
      if (text !== undefined) learn(text, before, catalogue, outline);
      return judgedAs(before, sent as Graph);
    }
    const judged = judge();
    const { opened, outputs, nodeErrors } = judged;
    if (outputs !== undefined && Object.keys(nodeErrors).length === 0) {
      const size = outline.text.length + 2 * opened.workflow.text.length;
      const isWhole = countOf(opened.workflow.graph) === countOf(sent);
      known.set(outline.text, { outputs, isWhole, open: openerLike(opened, outline.open), learned: [] }, { size });
    }
    return judged;
  };
}

function judgedAs({ outputs, isWhole, open }: Kept, sent: Graph): Judgement {
  return { opened: open(isWhole ? sent : neededOf(sent, outputs)), outputs, nodeErrors: {} };
}

/** Undefined: outside of the graph, or where graphs are not to differ. */
function slotAt(path: Path, open: readonly OpenSlot[]): OpenSlot | undefined {
  const [outer, node, inputs, input] = path;
  if (path.length !== 4 || outer !== 'prompt' || inputs !== 'inputs') return undefined;
  return open.find((slot) => slot.node === node && slot.input === input);
}

function countOf(graph: unknown): number {
  return Object.keys(graph as Graph).length;
}
