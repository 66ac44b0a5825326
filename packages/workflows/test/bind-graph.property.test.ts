import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { isLink } from '../src/graph.js';
import { bindGraph, type Graph, type Workflow } from '../src/index.js';
import { makeWorkflow } from '../src/make-workflow.js';
import { LOADABLE } from './fixtures.js';
import { FILES, loadAs, resolve, workflowCalled } from './requests.js';

const request = fc.record(
  {
    prompt: fc.string({ minLength: 1 }),
    steps: fc.integer({ min: 1, max: 150 }),
    cfg: fc.double({ min: 0, max: 30, noNaN: true }),
    seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
    count: fc.integer({ min: 1, max: 8 }),
    lod: fc.constantFrom('sketch', 'mid', 'final', 'direct_final'),
  },
  { requiredKeys: ['prompt'] },
);

/** The same graph with other ids and its nodes in another order. */
function renamed(graph: Graph, ids: ReadonlyMap<string, string>): Graph {
  const name = (id: string): string => ids.get(id) ?? id;
  const entries = Object.entries(graph).map(([id, node]) => {
    const inputs = Object.entries(node.inputs).map(([input, value]) => {
      return [input, isLink(value) ? [name(value[0]), value[1]] : value] as const;
    });
    return [name(id), { ...node, inputs: Object.fromEntries(inputs) }] as const;
  });
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** With the same prefix for all nodes, because their numbers follow the order of the nodes. */
function unnumbered(graph: Graph): Graph {
  const entries = Object.entries(graph).map(([id, node]) => {
    const { filename_prefix: prefix, ...inputs } = node.inputs;
    if (prefix !== undefined) expect(prefix).toMatch(/^job-\d$/);
    return [id, { ...node, inputs }] as const;
  });
  return Object.fromEntries(entries);
}

describe.each(LOADABLE.filter(({ files }) => files === undefined))('bindGraph of $fixture', ({ fixture, kind }) => {
  let template: Workflow;
  let resolved: (wanted: Parameters<typeof resolve>[1]) => ReturnType<typeof resolve>;
  const options = { filenamePrefix: 'job', files: FILES };
  beforeAll(async () => {
    const workflows = await loadAs(kind, fixture);
    template = workflowCalled(workflows, kind);
    resolved = (wanted) => resolve(kind, wanted, workflows);
  });

  it('returns the same graph, except for ids, when the nodes are renumbered', () => {
    const ids = Object.keys(template.graph);
    fc.assert(
      fc.property(request, fc.shuffledSubarray(ids, { minLength: ids.length }), (wanted, shuffled) => {
        const names = new Map(shuffled.map((id, index) => [id, `${index + 100}:${index}`]));
        const other = makeWorkflow(template.name, { graph: renamed(template.graph, names) });
        const bound = bindGraph(template, resolved(wanted), options);
        const again = bindGraph(other, resolved(wanted), options);
        expect(unnumbered(again)).toEqual(unnumbered(renamed(bound, names)));
      }),
      { numRuns: 30 },
    );
  });

  it('never changes the template', () => {
    const before = structuredClone(template.graph);
    fc.assert(
      fc.property(request, (wanted) => {
        bindGraph(template, resolved(wanted), options);
        expect(template.graph).toEqual(before);
      }),
      { numRuns: 30 },
    );
  });
});
