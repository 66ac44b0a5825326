import type { Catalogue } from './describe/catalogue.js';
import { describeNode, type Graph, isLink, type Link } from './graph.js';
import { showJson } from './json-text.js';
import type { Workflow } from './workflow.js';

/** One difference; undefined before or after if it did not exist. */
export interface Change {
  /** `minimum`, `title`, the name of a widget, … */
  readonly what: string;
  readonly before: unknown;
  readonly after: unknown;
}

export interface PartDifference {
  /** The name of an input or output, or the id of a node. */
  readonly name: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** The differences of a changed part. */
  readonly changes: readonly Change[];
}

/** The differences between two versions of a workflow. */
export interface Difference {
  /** Changes of the whole workflow: description, pool, … */
  readonly whole: readonly Change[];
  readonly inputs: readonly PartDifference[];
  readonly outputs: readonly PartDifference[];
  readonly nodes: readonly (PartDifference & { readonly title: string | undefined; readonly className: string })[];
}

/** The facts about a part, for people, with the compared value where that differs. */
type Facts = ReadonlyMap<string, { readonly shown: unknown; readonly compared?: unknown }>;

/** Compares two versions, described for instances with this catalogue. */
export function differenceOf(before: Workflow, after: Workflow, catalogue: Catalogue | undefined): Difference {
  const nodes = compareAll(nodeFacts(before.graph), nodeFacts(after.graph));
  return {
    whole: compare(wholeFacts(before), wholeFacts(after)),
    inputs: compareAll(inputFacts(before, catalogue), inputFacts(after, catalogue)),
    outputs: compareAll(outputFacts(before), outputFacts(after)),
    nodes: nodes.map((node) => {
      const { _meta, class_type } = after.graph[node.name] ?? before.graph[node.name] ?? { class_type: '' };
      return { ...node, title: _meta?.title ?? undefined, className: class_type };
    }),
  };
}

function wholeFacts({ description, pool, deadlineSeconds, allowsFastSave, limits, profiles }: Workflow): Facts {
  return factsOf({
    description,
    pool,
    deadline_seconds: deadlineSeconds,
    fast_save: allowsFastSave ? undefined : false,
    limits: Object.keys(limits).length === 0 ? undefined : limits,
    profiles: Object.keys(profiles).length === 0 ? undefined : profiles,
  });
}

function inputFacts({ graph, describe }: Workflow, catalogue: Catalogue | undefined): ReadonlyMap<string, Facts> {
  const { inputs, schema } = describe(catalogue);
  const schemas = schema.properties as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  const required = new Set(schema.required as readonly string[] | undefined);
  return new Map(
    inputs.map(({ name, slots }) => {
      const { enum: options, 'x-group': group, 'x-advanced': advanced, ...rest } = schemas[name] ?? {};
      const places = slots.map(({ node, input }) => `${input} of ${describeNode(graph, node)}`);
      const facts = { ...rest, options, group, advanced, required: required.has(name), places };
      return [name, factsOf(facts)];
    }),
  );
}

function outputFacts({ graph, outputs }: Workflow): ReadonlyMap<string, Facts> {
  return new Map(outputs.map(({ name, node }) => [name, factsOf({ node: describeNode(graph, node) })]));
}

function nodeFacts(graph: Graph): ReadonlyMap<string, Facts> {
  return new Map(
    Object.entries(graph).map(([id, { class_type, inputs, _meta }]) => {
      const own = Object.entries(inputs).map(([input, value]) => {
        const fact = isLink(value) ? { shown: linkInWords(graph, value), compared: value } : { shown: value };
        return [input, fact] as const;
      });
      return [id, new Map([...factsOf({ class: class_type, title: _meta?.title ?? undefined }), ...own])];
    }),
  );
}

function linkInWords(graph: Graph, [source, output]: Link): string {
  return `${describeNode(graph, source)}${output === 0 ? '' : `, output ${output + 1}`}`;
}

function factsOf(facts: Readonly<Record<string, unknown>>): Facts {
  const known = Object.entries(facts).filter(([, value]) => value !== undefined);
  return new Map(known.map(([what, shown]) => [what, { shown }]));
}

function compareAll(before: ReadonlyMap<string, Facts>, after: ReadonlyMap<string, Facts>): PartDifference[] {
  return [...new Set([...after.keys(), ...before.keys()])].flatMap((name): PartDifference[] => {
    const [old, now] = [before.get(name), after.get(name)];
    if (old === undefined) return [{ name, kind: 'added', changes: [] }];
    if (now === undefined) return [{ name, kind: 'removed', changes: [] }];
    const changes = compare(old, now);
    return changes.length === 0 ? [] : [{ name, kind: 'changed', changes }];
  });
}

function compare(before: Facts, after: Facts): Change[] {
  return [...new Set([...after.keys(), ...before.keys()])].flatMap((what): Change[] => {
    const [old, now] = [before.get(what), after.get(what)];
    const isSame = old !== undefined && now !== undefined && compared(old) === compared(now);
    return isSame ? [] : [{ what, before: old?.shown, after: now?.shown }];
  });
}

function compared(fact: { readonly shown: unknown; readonly compared?: unknown }): string {
  return showJson(fact.compared ?? fact.shown);
}
