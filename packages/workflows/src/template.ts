import type { JobKind } from '@comfy-fleet/contracts';
import type { Bindings, Parameter } from './bindings.js';
import type { Choices } from './choices.js';
import { FileFault } from './file-fault.js';
import { findBindings } from './find-bindings.js';
import { describeNode, type Graph, nodeAt, type Slot } from './graph.js';
import { showJson } from './json-text.js';
import { readWindow } from './step-window.js';

/** The values that the graph itself carries: what is used when neither the request nor the profile says otherwise. */
export interface TemplateDefaults {
  readonly negativePrompt: string;
  /** Decimal digits. */
  readonly seed: string;
  readonly steps: number;
  readonly cfg: number;
  readonly sampler: string;
  readonly scheduler: string;
  readonly denoise: number;
  /** Pixels; undefined when the workflow takes the size of its input picture. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
  readonly checkpoint: string;
}

/** A workflow as saved from ComfyUI, and where a request's parameters go in it. */
export interface Template {
  readonly name: string;
  /** What it starts from: nothing but text, or a picture. */
  readonly kind: JobKind;
  /** The pool whose instances can run it; undefined when any can. */
  readonly pool: string | undefined;
  readonly graph: Graph;
  readonly bindings: Bindings;
  readonly defaults: TemplateDefaults;
}

export function makeTemplate(name: string, graph: Graph, choices: Choices): Template {
  const bindings = findBindings(graph, choices);
  const kind = bindings.slots.image.length > 0 ? 'img2img' : 'text2img';
  return { name, kind, pool: choices.pool, graph, bindings, defaults: readDefaults(graph, bindings, kind) };
}

function readDefaults(graph: Graph, bindings: Bindings, kind: JobKind): TemplateDefaults {
  const { slots, windows } = bindings;
  const window = windows.find(({ denoises }) => denoises);
  const worked = window === undefined ? undefined : readWindow(window);
  const text = (parameter: Parameter, absent: string) => readText(graph, slots[parameter][0], absent);
  const number = (parameter: Parameter, absent: number) => readNumber(graph, slots[parameter][0], absent);
  const size = { width: number('width', 0), height: number('height', 0) };
  const sized = size.width > 0 && size.height > 0;
  if (kind === 'text2img' && !sized) {
    throw new FileFault({
      problem: 'the width and height of the picture cannot be found',
      settledBy: { width: '<title or id>', height: '<title or id>' },
    });
  }
  return {
    negativePrompt: text('negative_prompt', ''),
    seed: String(slots.seed[0] === undefined ? 0 : nodeAt(graph, slots.seed[0].node).inputs[slots.seed[0].input]),
    steps: worked?.steps ?? number('steps', 1),
    cfg: number('cfg', 1),
    sampler: text('sampler_name', ''),
    scheduler: text('scheduler', ''),
    denoise: worked?.denoise ?? number('denoise', 1),
    size: sized ? size : undefined,
    checkpoint: text('checkpoint', ''),
  };
}

function readText(graph: Graph, slot: Slot | undefined, absent: string): string {
  if (slot === undefined) return absent;
  return String(nodeAt(graph, slot.node).inputs[slot.input]);
}

function readNumber(graph: Graph, slot: Slot | undefined, absent: number): number {
  if (slot === undefined) return absent;
  const value = nodeAt(graph, slot.node).inputs[slot.input];
  if (typeof value === 'number') return value;
  throw new FileFault(`${slot.input} of ${describeNode(graph, slot.node)} is ${showJson(value)}: write a number`);
}
