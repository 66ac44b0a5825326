import { FleetError, MAX_COMFY_KEY_CHARS } from '@comfy-fleet/contracts';
import type { Listing } from '@comfy-fleet/jobs';
import { boundedNodeErrors, type Graph, limitErrors, type NodeErrors, showJson } from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import { openedSpec } from '../../orders/job-specs.js';
import { BeyondLimits } from '../../orders/refuse-job.js';
import { submitJobs } from '../../orders/submit-jobs.js';
import type { Caller } from '../../server/gate.js';
import { isRecord } from '../../server/json-body.js';
import type { ApiRequest, Reply } from '../../server/messages.js';
import { type JudgedGraph, judgeGraph, type Origin } from '../graphs.js';
import { ComfyuiRefusal, refused } from './dialect.js';
import { numberOf, promptIdOf, UUID } from './prompts.js';

/** The priority of a prompt that goes to the front: no job of the key can have a higher one. */
const FRONT_PRIORITY = 2;
/** Longer ids of workflows are not listed. The editor's are UUIDs. */
const MAX_WORKFLOW_ID_CHARS = 128;
/** Longer client ids are cut off. */
const MAX_CLIENT_CHARS = 128;
const SECRETS = ['api_key_comfy_org', 'auth_token_comfy_org'];
const FAILED = 'prompt_outputs_failed_validation';

/** Creates a durable job for a prompt. If the caller already has a job with that prompt id, creates no other. */
export async function postPrompt(deps: Deps, request: ApiRequest): Promise<Reply> {
  const prompt = readPrompt(request.body);
  const caller = request.caller;
  let nodeErrors: NodeErrors = {};
  const { only } = await submitJobs(deps, request, prompt, async () => {
    const judged = await judgePrompt(deps, prompt, caller);
    nodeErrors = judged.nodeErrors;
    const isFirst = prompt.front || (prompt.number ?? 0) < 0;
    const spec = {
      ...openedSpec(judged),
      ...(isFirst ? { priority: FRONT_PRIORITY } : {}),
      api_key_comfy_org: prompt.comfyKey,
      alias: prompt.id,
      client: prompt.client,
      origin: originOf(prompt, judged.files),
      listing: listingOf(prompt),
      explain: (error: unknown) => asComfyuiError(error, judged.opened.workflow.graph),
    };
    return [spec];
  });
  if (only === undefined) throw new Error('the job of an accepted prompt does not exist');
  const { record } = only;
  const [prompt_id, number] = [promptIdOf(record), numberOf(record)];
  const body = showJson({ prompt_id, number, node_errors: boundedNodeErrors(nodeErrors) });
  return { status: 200, body, job: record.id };
}

type SentPrompt = ReturnType<typeof readPrompt>;

/** Throws a ComfyuiRefusal for a request that ComfyUI would refuse. */
function readPrompt(sent: unknown) {
  if (!isRecord(sent) || sent.prompt === undefined) throw refused('no_prompt', 'No prompt provided');
  const { prompt: graph, prompt_id: id, number, front, extra_data: extra = {} } = sent;
  const targets = sent.partial_execution_targets ?? undefined;
  if (id !== undefined && id !== null && (typeof id !== 'string' || !UUID.test(id))) {
    const how = 'prompt_id must be a UUID string in canonical lowercase hyphenated form';
    const details = `${how}; omit it to let the server generate one`;
    throw refused('invalid_prompt_id', 'prompt_id must be a valid UUID', details);
  }
  if (!isRecord(extra)) throw refused('invalid_prompt', 'extra_data must be an object');
  if (number !== undefined && !Number.isFinite(Number(number)))
    throw refused('invalid_prompt', 'number must be a number');
  const isList = Array.isArray(targets) && targets.every((target) => typeof target === 'string');
  if (targets !== undefined && !isList) {
    throw refused('invalid_prompt', 'partial_execution_targets must be a list of node ids');
  }
  const { api_key_comfy_org: comfyKey } = extra;
  if (typeof comfyKey === 'string' && comfyKey.length > MAX_COMFY_KEY_CHARS) {
    throw refused('invalid_prompt', `api_key_comfy_org has more than ${MAX_COMFY_KEY_CHARS} characters`);
  }
  return {
    /** Not validated yet. */
    graph,
    id: id ?? undefined,
    client: clientOf(sent.client_id ?? extra.client_id),
    number: number === undefined ? undefined : Number(number),
    front: Boolean(front),
    /** Without secrets, because queue and history show it. */
    extraData: Object.fromEntries(Object.entries(extra).filter(([name]) => !SECRETS.includes(name))),
    comfyKey: typeof comfyKey === 'string' && comfyKey !== '' ? comfyKey : undefined,
    /** Ids of the output nodes to run; undefined: all. */
    targets: targets as readonly string[] | undefined,
  };
}

/** The client id as it is stored; undefined if the client sent none. */
export function clientOf(id: unknown): string | undefined {
  if (typeof id !== 'string' && typeof id !== 'number') return undefined;
  return String(id).slice(0, MAX_CLIENT_CHARS).toWellFormed() || undefined;
}

/** Throws a ComfyuiRefusal for a graph that ComfyUI would refuse, and validation_failed for one beyond our limits. */
async function judgePrompt(deps: Deps, { graph, targets }: SentPrompt, caller: Caller): Promise<JudgedGraph> {
  return judgeGraph(deps, caller, graph, {
    targets,
    accepted: (verdict) => {
      if ('error' in verdict) throw new ComfyuiRefusal(verdict.error, verdict.node_errors);
      return verdict;
    },
    missing: (name) => refused(FAILED, `Invalid file: ${name}`),
  });
}

function originOf({ extraData }: SentPrompt, files: JudgedGraph['files']): string {
  return showJson({ extraData, files } satisfies Origin);
}

function listingOf({ number, front, extraData: { extra_pnginfo: info } }: SentPrompt): Listing {
  const workflow = isRecord(info) && isRecord(info.workflow) ? info.workflow : {};
  const { id } = workflow;
  const isListed = typeof id === 'string' && id.length <= MAX_WORKFLOW_ID_CHARS;
  return { number, front: front || undefined, workflowId: isListed ? id : undefined };
}

/** Turns an error into ComfyUI's form. Errors of a node are listed by node, because clients show them there. */
function asComfyuiError(error: unknown, graph: Graph): unknown {
  if (error instanceof BeyondLimits) {
    const { detail: details, faults } = error;
    const message = 'Prompt outputs failed validation';
    return new ComfyuiRefusal({ type: FAILED, message, details, extra_info: {} }, limitErrors(faults, graph));
  }
  if (!(error instanceof FleetError) || error.status !== 422) return error;
  const { code: type, title: message, detail } = error;
  const nodes: Record<string, NodeErrors[string]> = {};
  for (const { pointer, detail: details } of error.errors) {
    const [, , id = '', , input] = pointer.split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
    const { class_type } = graph[id] ?? {};
    if (class_type === undefined) continue;
    const extra_info = input === undefined ? {} : { input_name: input };
    const errors = [...(nodes[id]?.errors ?? []), { type, message, details, extra_info }];
    nodes[id] = { errors, dependent_outputs: [], class_type };
  }
  return new ComfyuiRefusal({ type, message, details: detail, extra_info: {} }, nodes);
}
