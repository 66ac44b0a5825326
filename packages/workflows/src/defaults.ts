import type { InputValue } from '@comfy-fleet/contracts';
import type { Bindings, Parameter } from './bindings.js';
import { isMedia } from './describe/widget.js';
import { FileFault } from './file-fault.js';
import { describeNode, type Graph, nodeAt, type Slot } from './graph.js';
import { showJson } from './json-text.js';
import { readWindow } from './step-window.js';
import type { WorkflowDefaults, WorkflowInput } from './workflow.js';

interface Found {
  readonly inputs: readonly WorkflowInput[];
  readonly bindings: Bindings;
  /** Whether POST /generate or /img2img runs it. */
  readonly isStrict: boolean;
  readonly startsFromPicture: boolean;
}

export function readDefaults(graph: Graph, { inputs, bindings, isStrict, startsFromPicture }: Found): WorkflowDefaults {
  const own = inputs.flatMap((input) => {
    const value = ownDefault(graph, input);
    return value === undefined ? [] : [[input.name, value] as const];
  });
  if (!isStrict) return Object.fromEntries(own);
  const told = own.filter(([name]) => inputs.some((input) => input.name === name && input.default !== undefined));
  return {
    ...Object.fromEntries(own),
    ...usualDefaults(graph, bindings, startsFromPicture),
    ...Object.fromEntries(told),
  };
}

function usualDefaults(graph: Graph, { slots, windows }: Bindings, startsFromPicture: boolean): WorkflowDefaults {
  const window = windows.find(({ denoises }) => denoises);
  const worked = window === undefined ? undefined : readWindow(window);
  const text = (parameter: Parameter) => String(valueAt(graph, slots[parameter][0]) ?? '');
  const number = (parameter: Parameter, absent: number) => readNumber(graph, slots[parameter][0], absent);
  const size = { width: number('width', 0), height: number('height', 0) };
  const isSized = size.width > 0 && size.height > 0;
  if (!startsFromPicture && !isSized) {
    throw new FileFault({
      problem: 'the width and height of the picture cannot be found',
      settledBy: { width: '<title or id>', height: '<title or id>' },
    });
  }
  return {
    negative_prompt: text('negative_prompt'),
    seed: String(valueAt(graph, slots.seed[0]) ?? 0),
    steps: worked?.steps ?? number('steps', 1),
    cfg: number('cfg', 1),
    sampler: text('sampler_name'),
    scheduler: text('scheduler'),
    denoise: worked?.denoise ?? number('denoise', 1),
    ...(isSized ? size : {}),
    // The saved batch size is not a default that callers want.
    count: 1,
    checkpoint: text('checkpoint'),
  };
}

function readNumber(graph: Graph, slot: Slot | undefined, absent: number): number {
  if (slot === undefined) return absent;
  const value = valueAt(graph, slot);
  if (typeof value === 'number') return value;
  throw new FileFault(`${slot.input} of ${describeNode(graph, slot.node)} is ${showJson(value)}: write a number`);
}

function valueAt(graph: Graph, slot: Slot | undefined): unknown {
  return slot && nodeAt(graph, slot.node).inputs[slot.input];
}

function ownDefault(graph: Graph, { slots, type, default: told }: WorkflowInput): InputValue | undefined {
  const [first] = slots;
  if (told !== undefined) return plain(told);
  return first === undefined || isMedia(type) || type === 'seed' ? undefined : plain(valueAt(graph, first));
}

/** Integers beyond 2^53 become strings of digits. */
function plain(value: unknown): InputValue | undefined {
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return value.filter((one) => ['string', 'number', 'boolean'].includes(typeof one));
  return ['string', 'number', 'boolean'].includes(typeof value) ? (value as InputValue) : undefined;
}
