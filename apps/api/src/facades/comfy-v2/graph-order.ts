import { type FileKind, FleetError, isId } from '@comfy-fleet/contracts';
import { type Graph, limitErrors, showJson } from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import { openedSpec } from '../../orders/job-specs.js';
import { BeyondLimits } from '../../orders/refuse-job.js';
import type { JobSpec } from '../../orders/submit-jobs.js';
import type { Caller } from '../../server/gate.js';
import { type JudgedGraph, judgeGraph, type Origin } from '../graphs.js';
import { ComfyV2Error, invalidWorkflow } from './dialect.js';
import { findOutput } from './present.js';

export interface OrderBody {
  readonly workflow: object;
  readonly comfyKey: string | undefined;
}

/**
 * The job spec of a graph that names files by reference or by name. Throws missing_asset, and invalid_workflow for
 * everything that ComfyUI would refuse. Unlike ComfyUI, it refuses a graph if only some of its outputs can run.
 */
export async function graphOrder(deps: Deps, { workflow, comfyKey }: OrderBody, caller: Caller): Promise<JobSpec> {
  const { graph, kindAt } = await withoutReferences(deps, caller, workflow);
  const explain = (error: unknown) => asInvalid(error, workflow);
  const judging = {
    referenceAt: kindAt,
    accepted,
    missing: (name: string) => invalidWorkflow(`You have no file called ${name}: upload it, or reference an asset.`),
  };
  const judged = await judgeGraph(deps, caller, graph, judging).catch((error) => {
    throw explain(error);
  });
  return { ...openedSpec(judged), api_key_comfy_org: comfyKey, origin: originOf(workflow, judged), explain };
}

const accepted: Parameters<typeof judgeGraph>[3]['accepted'] = (verdict) => {
  const { node_errors: nodeErrors } = verdict;
  const [first] = Object.entries(nodeErrors);
  if (first !== undefined) {
    const [id, { class_type, errors }] = first;
    throw invalidWorkflow(`Node ${id} (${class_type}): ${errors.map(sentence).join('; ')}`, nodeErrors);
  }
  if ('error' in verdict) throw invalidWorkflow(sentence(verdict.error), nodeErrors);
  return verdict;
};

function sentence({ message, details }: { readonly message: string; readonly details: string }): string {
  return details === '' ? message : `${message}: ${details}`;
}

/** Turns our own errors about the graph into those of the specification. */
function asInvalid(error: unknown, graph: object): unknown {
  if (error instanceof BeyondLimits) return invalidWorkflow(error.detail, limitErrors(error.faults, graph as Graph));
  const isOfGraph = error instanceof FleetError && ['validation_failed', 'no_able_instance'].includes(error.code);
  return isOfGraph && error.constructor === FleetError ? invalidWorkflow(error.detail) : error;
}

type Nodes = Readonly<Record<string, { readonly inputs: Readonly<Record<string, unknown>> }>>;

function originOf(workflow: object, { opened }: JudgedGraph): string {
  const files = [...opened.files].map(([name, { node, input }]) => [name, (workflow as Nodes)[node]?.inputs[input]]);
  return showJson({ extraData: {}, files: Object.fromEntries(files) } satisfies Origin);
}

const TYPE = 'core/ASSET';

/** Replaces each reference by a string such as `asset:<id>`, and finds the kinds of the assets. Throws missing_asset. */
async function withoutReferences(deps: Deps, caller: Caller, graph: object) {
  const nodes = new Map(Object.entries(graph as Nodes));
  const changed = new Map<string, Record<string, unknown>>();
  const kinds = new Map<string, FileKind>();
  const known = new Map<string, Found>();
  const references = await deps.computing(caller.id, () => [...referencesIn(graph)]);
  for (const { node, input, id } of references) {
    const found = known.get(id) ?? (await findAsset(deps, caller, id));
    if (found === undefined) throw missingAsset(`Node ${node}, ${input}: you have no asset ${id}, or it was deleted.`);
    known.set(id, found);
    const inputs = changed.get(node) ?? { ...nodes.get(node)?.inputs };
    inputs[input] = found.text;
    changed.set(node, inputs);
    kinds.set(JSON.stringify([node, input]), found.kind);
  }
  const kindAt = ({ node, input }: { readonly node: string; readonly input: string }) =>
    kinds.get(JSON.stringify([node, input]));
  for (const [node, inputs] of changed) nodes.set(node, { ...nodes.get(node), inputs });
  return { graph: Object.fromEntries(nodes), kindAt };
}

type Found = Awaited<ReturnType<typeof findAsset>>;

async function findAsset(deps: Deps, caller: Caller, id: string) {
  const asset = await deps.ledger.assets.get(caller.id, id);
  if (asset !== undefined) return { text: `asset:${id}`, kind: asset.kind };
  const found = await findOutput(deps, caller.id, id);
  if (found === undefined) return undefined;
  const { kind } = found.output;
  const isMedia = kind === 'image' || kind === 'video' || kind === 'audio';
  return { text: `job:${found.record.id}/${found.index}`, kind: isMedia ? kind : ('file' as const) };
}

function* referencesIn(graph: object) {
  for (const [node, parts] of entriesOf(graph)) {
    for (const [part, values] of entriesOf(parts)) {
      for (const [input, value] of entriesOf(values)) {
        if (part === 'inputs' && isReference(value)) yield { node, input, id: idOf(value, node, input) };
        else if (holdsReference(value))
          throw missingAsset(`Node ${node}: a ${TYPE} reference must be the value of an input.`);
      }
    }
  }
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

function isReference(value: unknown): value is { readonly info?: unknown } {
  return typeof value === 'object' && value !== null && '__type' in value && value.__type === TYPE;
}

function holdsReference(value: unknown): boolean {
  return isReference(value) || entriesOf(value).some(([, part]) => holdsReference(part));
}

function idOf({ info }: { readonly info?: unknown }, node: string, input: string): string {
  const { id } = Object(info) as { readonly id?: unknown };
  if (typeof id === 'string' && isId(id)) return id;
  throw missingAsset(`Node ${node}, ${input}: a ${TYPE} reference needs info.id, the UUID of one of your assets.`);
}

function missingAsset(detail: string): ComfyV2Error {
  return new ComfyV2Error('validation_failed', 'missing_asset', detail);
}
