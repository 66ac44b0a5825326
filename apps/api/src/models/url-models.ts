import type { InstanceAbilities, ModelKind } from '@comfy-fleet/contracts';
import { MOST_URL_MODELS, type ModelUrl } from '@comfy-fleet/jobs';
import { CORE_LOADERS, type Graph, modelKindAt, poolsOf, type Workflow } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import { fieldError } from '../server/field-errors.js';
import { type Caller, requireScope } from '../server/gate.js';
import { isRecord } from '../server/json-body.js';

/** What a fault is reported for. */
type PointerAt = (node: string, input: string) => string;

/**
 * The graph with the name of a model in place of each URL that stands where a loader expects one; see UrlModels. Throws
 * forbidden, url_not_allowed and validation_failed.
 */
export async function withUrlModels(
  deps: Deps,
  graph: Readonly<Record<string, unknown>>,
  { caller, pool, pointer }: { readonly caller: Caller; readonly pool: string; readonly pointer: PointerAt },
): Promise<Readonly<Record<string, unknown>>> {
  // The nodes have not been validated yet.
  const found = Object.entries(graph).flatMap(([node, described]) => {
    const { class_type: className, inputs } = isRecord(described) ? described : {};
    if (typeof className !== 'string' || !isRecord(inputs)) return [];
    return Object.entries(inputs).flatMap(([input, url]) => (isUrl(url) ? [{ node, className, input, url }] : []));
  });
  if (found.length === 0) return graph;
  const kindOf = await kindsIn(deps, caller, { pools: [pool], classes: found.map(({ className }) => className) });
  const named: Record<string, Graph[string]> = { ...(graph as Graph) };
  for (const { node, className, input, url } of found) {
    const kind = kindOf(className, input);
    const before = named[node];
    if (kind === undefined || before === undefined) continue;
    const name = await nameOf(deps, caller, { kind, url, pointer: pointer(node, input) });
    named[node] = { ...before, inputs: { ...before.inputs, [input]: name } };
  }
  return named;
}

/** The same for inputs of a workflow. */
export async function withUrlInputs<T>(
  deps: Deps,
  workflow: Workflow,
  inputs: Readonly<Record<string, T>>,
  { caller, pointer }: { readonly caller: Caller; readonly pointer: (input: string) => string },
): Promise<Readonly<Record<string, T | string>>> {
  const found = workflow.inputs.flatMap(({ name, slots: [slot] }) => {
    const url: unknown = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
    const className = slot && workflow.graph[slot.node]?.class_type;
    return isUrl(url) && className !== undefined ? [{ name, url, className, input: slot?.input ?? '' }] : [];
  });
  if (found.length === 0) return inputs;
  const pools = poolsOf(workflow, deps.workflows.profiles);
  const kindOf = await kindsIn(deps, caller, { pools, classes: found.map(({ className }) => className) });
  const named: Record<string, T | string> = { ...inputs };
  for (const { name, url, className, input } of found) {
    const kind = kindOf(className, input);
    if (kind !== undefined) named[name] = await nameOf(deps, caller, { kind, url, pointer: pointer(name) });
  }
  return named;
}

async function kindsIn(
  { offers }: Deps,
  caller: Caller,
  { pools, classes }: { readonly pools: readonly string[]; readonly classes: readonly string[] },
): Promise<(className: string, input: string) => ModelKind | undefined> {
  const own = await offers.to(caller);
  const wanted = [...new Set([...classes, ...CORE_LOADERS])].sort();
  const known: InstanceAbilities[] = [];
  for (const pool of pools) known.push(...(await own.abilities(pool, wanted)));
  const all = [{}, ...new Set(known.map(({ abilities }) => abilities))];
  return (className, input) =>
    all.map((abilities) => modelKindAt(className, input, abilities)).find((kind) => kind !== undefined);
}

const MAX_URL_CHARS = 2048;

function isUrl(value: unknown): value is string {
  return typeof value === 'string' && /^https:\/\//i.test(value) && value.length <= MAX_URL_CHARS;
}

async function nameOf(
  { config, ledger, modelUrlRefusal }: Deps,
  caller: Caller,
  { kind, url, pointer }: { readonly kind: ModelKind; readonly url: string; readonly pointer: string },
): Promise<string> {
  requireScope(caller, 'models');
  const fault = (detail: string) => fieldError('validation_failed', pointer, detail);
  const { urlKinds } = config.models;
  if (!urlKinds.includes(kind)) {
    const allowed = urlKinds.length === 0 ? 'no models' : `only these kinds of models: ${urlKinds.join(', ')}`;
    throw fault(`is a URL for a model of the kind ${kind}; here URLs may name ${allowed}`);
  }
  const parsed = readUrl(url);
  if (parsed === undefined) {
    throw fault(
      'must be https://… without user name and password, with #sha256= and 64 hex digits or nothing after it',
    );
  }
  const refusal = modelUrlRefusal(parsed.source);
  if (refusal !== undefined) throw fieldError('url_not_allowed', pointer, refusal.replace(/\.$/, ''));
  const name = await ledger.models.named(caller.id, kind, parsed);
  if (name !== undefined) return name;
  const detail = `names one model too many: this API key has ${MOST_URL_MODELS} by URL, which are forgotten after a week without use`;
  throw fault(detail);
}

const HASH = /^#sha256=([0-9a-f]{64})$/i;
/** Callers may not choose formats that can run code. */
const EXTENSION = /\.(safetensors|sft|gguf)$/i;

function readUrl(text: string): ModelUrl | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const [, sha256] = HASH.exec(url.hash) ?? [];
  if ((url.hash !== '' && sha256 === undefined) || url.username !== '' || url.password !== '') return undefined;
  url.hash = '';
  const [extension = '.safetensors'] = EXTENSION.exec(url.pathname) ?? [];
  return { source: url.href, sha256: sha256?.toLowerCase() ?? null, extension: extension.toLowerCase() };
}
