import { type Choices, findNode } from '../choices.js';
import { compete, type Fault, gatherFaults } from '../file-fault.js';
import { type Graph, isLink, nodeAt } from '../graph.js';
import { appModeOutputs } from './by-app-mode.js';
import { refuseOddName, titled } from './by-title.js';
import type { InputsFile } from './read-inputs-file.js';

/** A node whose files or text are results. */
export interface FoundOutput {
  readonly name: string;
  readonly node: string;
  readonly className: string;
}

interface Sources {
  readonly file: InputsFile;
  readonly choices: Choices;
  readonly linearData: unknown;
}

/** What these show is lost with ComfyUI's temporary folder. */
const PREVIEW = /^(Preview(Image|Video|Audio)|MaskPreview)/;
/** Kinds of output by class name; the first match counts. */
const KINDS = [
  ['video', /video|webm|gif/i],
  ['audio', /audio|flac|mp3|opus/i],
  ['latent', /latent/i],
  ['model', /glb|mesh|3d/i],
  ['text', /text|string|any/i],
  ['image', /image|webp|png|svg|mask/i],
] as const;

/**
 * Outputs from the inputs file, the bindings file, titles, App mode and class, in this order; each node counts once.
 */
export function findOutputs(
  graph: Graph,
  { file, choices, linearData }: Sources,
): {
  outputs: FoundOutput[];
  faults: Fault[];
} {
  const names = new Map<string, string>();
  const faults = gatherFaults([
    ...Object.entries(file.outputs ?? {}).map(([name, reference]) => () => {
      names.set(findNode(graph, reference), name);
    }),
    ...titled(graph, 'output').map(({ node, text }) => () => {
      refuseOddName(graph, node, text);
      if (!names.has(node)) names.set(node, text);
    }),
  ]);
  for (const [name, nodes] of rivals(names)) faults.push(compete(graph, `the output ${name}`, nodes));
  const chosen = new Set([...names.keys(), ...appModeOutputs(graph, linearData)]);
  const byClass = new Set([...chosen, ...outputNodes(graph)]);
  const nodes =
    choices.output === undefined ? [...byClass] : [choices.output].flat().map((one) => findNode(graph, one));
  const saving = nodes.filter((node) => chosen.has(node) || !PREVIEW.test(nodeAt(graph, node).class_type));
  const kept = saving.length > 0 ? saving : nodes;
  const kinds = kept.map((node) => outputKind(nodeAt(graph, node).class_type));
  const ofKind = new Map<string, number>();
  for (const kind of kinds) ofKind.set(kind, (ofKind.get(kind) ?? 0) + 1);
  const outputs = kept.map((node, index): FoundOutput => {
    const kind = kinds[index] ?? '';
    const name = names.get(node) ?? (ofKind.get(kind) === 1 ? kind : `${kind}_${node.replaceAll(':', '_')}`);
    return { name, node, className: nodeAt(graph, node).class_type };
  });
  return { outputs, faults };
}

/**
 * Nodes that save under a prefix or are named like it, and nodes that nothing uses although they have inputs; an unused
 * loader is a leftover.
 */
export function outputNodes(graph: Graph): string[] {
  const used = new Set<string>();
  for (const { inputs } of Object.values(graph)) {
    for (const value of Object.values(inputs)) if (isLink(value)) used.add(value[0]);
  }
  return Object.keys(graph).filter((id) => {
    const { class_type, inputs } = nodeAt(graph, id);
    if ('filename_prefix' in inputs || /^(Save|Preview)/.test(class_type)) return true;
    return !used.has(id) && Object.values(inputs).some(isLink);
  });
}

/** The likely kind of output of a class, by its name; `output` if the name does not tell. */
export function outputKind(className: string): string {
  return KINDS.find(([, pattern]) => pattern.test(className))?.[0] ?? 'output';
}

function rivals(names: ReadonlyMap<string, string>): [name: string, nodes: string[]][] {
  const nodes = new Map<string, string[]>();
  for (const [node, name] of names) nodes.set(name, [...(nodes.get(name) ?? []), node]);
  return [...nodes].filter(([, bearers]) => bearers.length > 1);
}
