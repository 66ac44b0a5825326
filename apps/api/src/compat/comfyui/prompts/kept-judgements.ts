import { type Catalogue, createOutliner, type Graph, neededOf, openAlike } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import type { Judgement } from './judged-graph.js';

/** Judges a graph all of whose outputs are to run, by `judge` unless one of the same outline was judged before. */
export type KeptJudgements = (sent: unknown, catalogue: Catalogue, judge: () => Judgement) => Judgement;

/** Characters of graphs and their outlines that are kept: some hundred usual ones, and ten times as many bytes. */
const MOST_CHARS = 1024 * 1024;

/** Clients send the same graph again and again with another seed. Only what ComfyUI finds nothing wrong with is kept. */
export function createKeptJudgements(): KeptJudgements {
  const outlineOf = createOutliner();
  const kept = new LRUCache<string, Judgement>({ maxSize: MOST_CHARS });
  return (sent, catalogue, judge) => {
    const outline = outlineOf(sent, catalogue);
    if (outline === undefined) return judge();
    const before = kept.get(outline);
    if (before?.outputs !== undefined) {
      return { ...before, opened: openAlike(before.opened, neededOf(sent as Graph, before.outputs)) };
    }
    const judged = judge();
    const size = outline.length + judged.opened.workflow.text.length;
    if (Object.keys(judged.nodeErrors).length === 0) kept.set(outline, judged, { size });
    return judged;
  };
}
