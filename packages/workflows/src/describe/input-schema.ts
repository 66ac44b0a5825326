import type { RequestLimits } from '@comfy-fleet/contracts';
import type { Bindings } from '../bindings.js';
import { gpuDemand } from '../gpu-demand.js';
import { mostOf } from '../gpu-limits.js';
import { type Graph, nodeAt, type Slot } from '../graph.js';
import type { Catalogue } from './catalogue.js';
import type { FoundInput } from './found-input.js';
import { type MaskUse, maskUses } from './mask-use.js';
import { isMedia, type Widget, widgetOf } from './widget.js';

/** JSON Schema 2020-12; integers beyond 2^53 are bigints. */
export type JsonSchema = Readonly<Record<string, unknown>>;

const FILE_TYPES = { image: 'image/*', video: 'video/*', audio: 'audio/*', file: 'application/octet-stream' } as const;

/**
 * How a picture is used as a mask: `white`: for another picture, white or transparent where that one changes; `alpha`:
 * for itself, by its transparency.
 */
const MASKS: Readonly<Record<MaskUse, 'white' | 'alpha'>> = { only: 'white', beside: 'alpha' };

/** The schema of an object with the inputs as members. */
export function inputsSchema(
  graph: Graph,
  inputs: readonly FoundInput[],
  catalogue: Catalogue | undefined,
  limitsAt: LimitsAt = () => ({}),
): JsonSchema {
  const masks = maskUses(graph);
  const schemaOf = (input: FoundInput) => ({
    ...inputSchema(graph, input, catalogue, limitsAt),
    ...maskOf(input, masks),
  });
  const required = inputs.filter((input) => input.required ?? isFile(graph, input, catalogue)).map(({ name }) => name);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: Object.fromEntries(inputs.map((input) => [input.name, schemaOf(input)])),
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
  };
}

function maskOf({ slots: [first] }: FoundInput, masks: ReadonlyMap<string, MaskUse>): JsonSchema {
  const use = first?.input === 'image' ? masks.get(first.node) : undefined;
  return use === undefined ? {} : { 'x-mask': MASKS[use] };
}

/** The graph's file exists on one ComfyUI only, so it is no default for others. */
function isFile(graph: Graph, { slots, default: told }: FoundInput, catalogue: Catalogue | undefined): boolean {
  const [first] = slots;
  return (
    told === undefined &&
    first !== undefined &&
    isMedia(widgetOf(nodeAt(graph, first.node), first.input, catalogue)?.type)
  );
}

export function inputSchema(
  graph: Graph,
  input: FoundInput,
  catalogue: Catalogue | undefined,
  limitsAt: LimitsAt = () => ({}),
): JsonSchema {
  const [first] = input.slots;
  const node = first && nodeAt(graph, first.node);
  const widget = node && widgetOf(node, first.input, catalogue);
  if (first === undefined || node === undefined) return {};
  const mostChars = input.maximum ?? limitsAt(first).maxLength;
  if (widget === undefined) return mostChars === undefined ? {} : { maxLength: mostChars };
  const isDrawn = isSeed(input, widget);
  const description = input.description ?? widget.tooltip;
  const bounds = {
    minimum: largest([input.minimum ?? widget.minimum, ...input.slots.map((slot) => limitsAt(slot).minimum)]),
    maximum: smallest([input.maximum ?? widget.maximum, ...input.slots.map((slot) => limitsAt(slot).maximum)]),
  };
  const preset = input.default ?? (isDrawn || isMedia(widget.type) ? undefined : node.inputs[first.input]);
  // Callers may send the default back.
  const maxLength = mostChars && Math.max(mostChars, typeof preset === 'string' ? preset.length : 0);
  return {
    ...typeSchema(input, widget, { ...bounds, maxLength }),
    ...(description === undefined ? {} : { description }),
    ...(preset === undefined ? {} : { default: preset }),
    ...(input.group === undefined ? {} : { 'x-group': input.group }),
    ...(input.advanced === undefined ? {} : { 'x-advanced': input.advanced }),
  };
}

function largest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

function smallest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

function typeSchema(
  input: FoundInput,
  widget: Widget,
  { maxLength, ...bounds }: Record<'minimum' | 'maximum' | 'maxLength', number | undefined>,
): JsonSchema {
  const { type, multiline } = widget;
  const options = input.options ?? widget.options;
  if (isMedia(type)) return { type: 'string', contentMediaType: FILE_TYPES[type] };
  if (isSeed(input, widget)) {
    const maximum = bounds.maximum ?? Number.MAX_SAFE_INTEGER;
    return { type: ['integer', 'string'], minimum: 0, maximum, pattern: '^[0-9]{1,20}$' };
  }
  if (options !== undefined && options.length > 0) return { type, enum: options };
  if (type === 'string')
    return { type, ...(maxLength === undefined ? {} : { maxLength }), ...(multiline ? { 'x-multiline': true } : {}) };
  const known = Object.entries(bounds).filter(([, bound]) => bound !== undefined);
  return { type, ...Object.fromEntries(type === 'boolean' ? [] : known) };
}

/** Random if a request has none; up to 2^64−1, which callers could not write exactly as a number. */
export function isSeed({ name, follows }: FoundInput, { type }: Widget): boolean {
  return type === 'seed' || follows === 'seed' || (name === 'seed' && type === 'integer');
}

/** The bounds of a slot that follow from limits. */
export type LimitsAt = (slot: Slot) => {
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
};

/** The bounds in a graph that follow from limits. `minSize` only applies to text2img and img2img. */
export function inputBounds(
  graph: Graph,
  {
    slots,
    catalogue,
    limits,
    isStrict,
  }: {
    readonly slots: Bindings['slots'];
    readonly catalogue: Catalogue | undefined;
    readonly limits: RequestLimits;
    readonly isStrict: boolean;
  },
): LimitsAt {
  const { amounts } = gpuDemand(graph, { slots, catalogue });
  return ({ node, input }) => {
    const amount = amounts.find(({ at, isScaled }) => !isScaled && at.node === node && at.input === input);
    const maxLength = limits.maxPromptChars;
    if (amount === undefined) return { maxLength };
    const isSide = [...slots.width, ...slots.height].some((slot) => slot.node === node && slot.input === input);
    return {
      maxLength,
      ...(isStrict && isSide ? { minimum: limits.minSize } : {}),
      maximum: mostOf(amount, limits),
    };
  };
}
