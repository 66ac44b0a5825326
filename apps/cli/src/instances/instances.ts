import { type Config, type InstanceSettings, loadConfig, readInstances } from '@comfy-fleet/config';
import {
  checkpointsOf,
  checkpointToName,
  explainVerdicts,
  listed,
  loadWorkflows,
  type Workflows,
  type WorkflowVerdict,
} from '@comfy-fleet/workflows';
import type { CommandIo } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { plain, showUrl } from '../text.js';
import { throwCommandError } from '../workflows/api.js';
import { describeStats, type Probe, probeInstance } from './probe.js';

/** Long enough to ask a ComfyUI for each node class that a workflow uses. */
const DEADLINE_MS = 30_000;

/** Describes each configured ComfyUI and what it can run. Resolves to the exit code. */
export async function runInstances(json: boolean, { env, result, info }: CommandIo): Promise<number> {
  const config = loadConfig(env);
  const all = await readInstances(config, env);
  if (all.length === 0)
    info('Neither COMFYUI_URLS nor COMFYUI_INSTANCES_FILE is set, so there is no instance to show.');
  const workflows = await loadWorkflows(config.workflowsDir, config).catch(throwCommandError);
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const found = await Promise.all(all.map((instance) => examine(instance, { config, workflows, signal })));
  if (json) result(JSON.stringify({ instances: found.map(toJson), text2img: text2img(found, workflows, config) }));
  else for (const { text } of found) result(plain(text));
  return found.every(({ probe }) => canRunSome(probe)) ? EXIT.done : EXIT.fault;
}

interface Found {
  readonly name: string;
  readonly probe: Probe;
  readonly text: string;
}

async function examine(
  instance: InstanceSettings,
  context: { readonly config: Config; readonly workflows: Workflows; readonly signal: AbortSignal },
): Promise<Found> {
  const name = `${context.config.worker.name}/${instance.name}`;
  const label = `${name} (${showUrl(instance.url)})`;
  const probe = await probeInstance(label, instance, context).catch((error: unknown): Probe => {
    if (!context.signal.aborted) throw error;
    const fault = `The ComfyUI instance ${label} did not list its nodes and models within ${DEADLINE_MS / 1000} s.`;
    return { fault, advice: undefined };
  });
  return { name, probe, text: describeInstance(label, probe, context.workflows) };
}

function toJson({ name, probe, text }: Found) {
  return { name, answers: !('fault' in probe), text };
}

function canRunSome(probe: Probe): boolean {
  return !('fault' in probe) && (probe.verdicts ?? []).some(({ lacks }) => lacks.length === 0);
}

/** The checkpoint that a text2img request has to name; the default checkpoint is preferred. */
function text2img(found: readonly Found[], workflows: Workflows, { limits }: Config) {
  const named = found.flatMap(({ probe }) => {
    const checkpoint =
      'fault' in probe || probe.abilities === undefined
        ? undefined
        : checkpointToName(probe.abilities, workflows, limits);
    return checkpoint === undefined ? [] : [checkpoint];
  });
  const [first] = named;
  if (first === undefined) return null;
  return { checkpoint: named.includes(null) ? null : first };
}

const START = 'start ComfyUI there (python main.py --listen), or correct its address';

/** Sentences: what the instance is, which workflows it can run, and how to fix what it cannot run. */
export function describeInstance(label: string, probe: Probe, workflows: Workflows): string {
  if ('fault' in probe) return `${probe.fault} ${sentence(probe.advice ?? START)}`;
  const { abilities = {}, verdicts = [] } = probe;
  const checkpoints = checkpointsOf(abilities, workflows);
  // The sentence about a missing checkpoint already lists those that it has.
  const isLacking = verdicts.some(({ lacks }) =>
    lacks.some((lack) => lack.input !== undefined && lack.setBy === 'checkpoint'),
  );
  const names = isLacking ? '' : ` (${listed(checkpoints)})`;
  const has = checkpoints.length === 0 ? 'no checkpoint' : `${plural(checkpoints.length, 'checkpoint')}${names}`;
  return [`${label} is ${describeStats(probe)} and ${has}.`, ...verdictSentences(verdicts)].join(' ');
}

function verdictSentences(verdicts: readonly WorkflowVerdict[]): string[] {
  if (verdicts.length === 0) return ['It serves only pools that no job uses.'];
  const { able, unable, lacks } = explainVerdicts(verdicts);
  return [
    ...(able.length === 0 ? [] : [`It can run ${able.join(' and ')}.`]),
    ...(unable.length === 0
      ? []
      : [`It cannot run ${unable.join(' and ')}: it lacks ${lacks.map(({ what }) => what).join(' and ')}.`]),
    ...new Set(lacks.map(({ fix }) => sentence(fix))),
  ];
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function sentence(clause: string): string {
  return `${clause.charAt(0).toUpperCase()}${clause.slice(1)}.`;
}
