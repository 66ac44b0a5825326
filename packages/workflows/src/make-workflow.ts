import { type JobKind, LODS, type Lod, PICTURE_KINDS, readGpuLimits } from '@comfy-fleet/contracts';
import type { Bindings } from './bindings.js';
import { readDefaults } from './defaults.js';
import { describeWorkflow } from './describe/describe-workflow.js';
import { findParts, findSaidParts } from './describe/find-parts.js';
import { isSeed } from './describe/input-schema.js';
import type { InputsFile } from './describe/read-inputs-file.js';
import { isMedia, widgetOf } from './describe/widget.js';
import { FileFault, WorkflowError } from './file-fault.js';
import { findBindings, findUsualBindings, noUsualBindings } from './find-bindings.js';
import { type Graph, nodeAt } from './graph.js';
import type { LodProfile } from './lod-profiles.js';
import {
  type PictureTexts,
  parseSource,
  readPictureTexts,
  readUpload,
  sourceText,
  versionOf,
  type WorkflowSource,
} from './source.js';
import type { Workflow, WorkflowInput } from './workflow.js';

/** The name of all graphs that are run once. */
export const GRAPH = 'graph';

/**
 * Makes a workflow from the text of its source. Missing usual parameters are no error, except in text2img and img2img,
 * which POST /generate and /img2img need. Throws a WorkflowError with all errors.
 */
export function openWorkflow(name: string, text: string): Workflow {
  return named(name, () => parseSource(text));
}

/** Makes a workflow from a published upload; see readUpload. Throws like openWorkflow. */
export function openUpload(name: string, upload: string | PictureTexts): Workflow {
  return named(name, () => (typeof upload === 'string' ? readUpload(upload) : readPictureTexts(upload)));
}

function named(name: string, read: () => WorkflowSource): Workflow {
  try {
    return makeWorkflow(name, read());
  } catch (error) {
    if (!(error instanceof FileFault)) throw error;
    throw new WorkflowError(
      error.faults.map(({ problem }) => `${name}: ${problem}`),
      error.faults.map(({ at, between: [node] = [] }) => at ?? (node === undefined ? undefined : { node })),
    );
  }
}

/** Makes a workflow from its source; throws a FileFault. */
export function makeWorkflow(name: string, source: WorkflowSource): Workflow {
  const text = sourceText(source);
  const { graph, inputs: file = {}, bindings: choices = {}, linear_data: linearData } = source;
  const kind = PICTURE_KINDS.find((one) => one === name) ?? 'workflow';
  const isStrict = kind !== 'workflow';
  const strict = isStrict ? findBindings(graph, choices) : undefined;
  const isOnce = name === GRAPH;
  const parts = isOnce
    ? findSaidParts(graph, file)
    : findParts({ graph, linearData }, { file, choices, usual: strict?.slots });
  const inputs = parts.inputs.flatMap((input): WorkflowInput[] => {
    const [first] = input.slots;
    const widget = first && widgetOf(nodeAt(graph, first.node), first.input);
    // A file that /generate and /img2img cannot set stays as in the graph.
    if (widget === undefined || (isStrict && isMedia(widget.type) && input.name !== 'image')) return [];
    if (isStrict && input.name === 'image' && strict?.slots.image.length === 0) return [];
    return [{ ...input, type: input.file ?? (isSeed(input, widget) ? 'seed' : widget.type) }];
  });
  const bindings =
    strict ?? (isOnce ? noUsualBindings(graph) : findUsualBindings(graph, { inputs, outputs: parts.outputs, choices }));
  const startsFromPicture = bindings.slots.image.length > 0;
  if (isStrict) requireStart(kind, startsFromPicture);
  return {
    name,
    version: versionOf(text),
    text,
    graph,
    classes: classesIn(graph, bindings),
    kind,
    startsFromPicture,
    pool: file.pool ?? choices.pool,
    bindings,
    inputs,
    outputs: parts.outputs,
    defaults: readDefaults(graph, { inputs, bindings, isStrict, startsFromPicture }),
    profiles: ownProfiles(file.profiles ?? {}),
    deadlineSeconds: file.deadline_seconds,
    allowsFastSave: file.fast_save ?? true,
    limits: readGpuLimits(file.limits ?? {}),
    description: file.description,
    inputAt: inputsByPlace(inputs),
    describe: (catalogue, limits) =>
      describeWorkflow(graph, {
        ...parts,
        inputs,
        description: file.description,
        bindings,
        isStrict,
        catalogue,
        limits,
      }),
  };
}

function requireStart(kind: JobKind, startsFromPicture: boolean): void {
  if (startsFromPicture === (kind === 'img2img')) return;
  throw new FileFault(
    kind === 'img2img'
      ? 'starts from no picture: the sampler needs LoadImage → ImageScale → VAEEncode behind its latent_image'
      : 'starts from a picture: the sampler needs an EmptyLatentImage behind its latent_image',
  );
}

function inputsByPlace(inputs: readonly WorkflowInput[]): Workflow['inputAt'] {
  const nodes = new Map<string, Map<string, WorkflowInput>>();
  for (const input of inputs) {
    for (const { node, input: widget } of input.slots) {
      nodes.set(node, (nodes.get(node) ?? new Map<string, WorkflowInput>()).set(widget, input));
    }
  }
  return ({ node, input }) => nodes.get(node)?.get(input);
}

/** The node classes that jobs of these workflows may need, whatever the request. */
export function classesOf(workflows: Iterable<Pick<Workflow, 'classes'>>): string[] {
  const classes = new Set<string>();
  for (const workflow of workflows) for (const name of workflow.classes) classes.add(name);
  return [...classes].sort();
}

/** The same for one graph. */
function classesIn(graph: Graph, { repeatAt }: Pick<Bindings, 'repeatAt'>): string[] {
  const classes = new Set(Object.values(graph).map(({ class_type }) => class_type));
  // Inserted for several pictures; see bindGraph.
  if (repeatAt !== undefined) classes.add('RepeatLatentBatch');
  return [...classes].sort();
}

/** The levels of detail of an inputs file, in the form of lod-profiles.json. */
function ownProfiles(profiles: NonNullable<InputsFile['profiles']>): Partial<Record<Lod, Partial<LodProfile>>> {
  const entries = LODS.flatMap((lod) => {
    const { deadline_seconds: deadlineSeconds, ...rest } = profiles[lod] ?? {};
    if (profiles[lod] === undefined) return [];
    return [[lod, deadlineSeconds === undefined ? rest : { ...rest, deadlineSeconds }] as const];
  });
  return Object.fromEntries(entries);
}
