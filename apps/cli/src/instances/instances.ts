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
import type { Surroundings } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { plain, showUrl } from '../text.js';
import { asObstacle } from '../workflows/api.js';
import { type Look, lookAt, whatItIs } from './probe.js';

/** A ComfyUI with many custom nodes is asked for each node class that a workflow uses. */
const DEADLINE_MS = 30_000;

/** What each ComfyUI of the settings is and can run. Resolves to the exit code. */
export async function runInstances(json: boolean, { env, result }: Surroundings): Promise<number> {
  const config = loadConfig(env);
  const all = await readInstances(config, env);
  const workflows = await loadWorkflows(config.workflowsDir, config).catch(asObstacle);
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const found = await Promise.all(all.map((instance) => examine(instance, { config, workflows, signal })));
  if (json) result(JSON.stringify({ instances: found.map(toJson), text2img: text2img(found, workflows, config) }));
  else for (const { text } of found) result(plain(text));
  return found.every(({ look }) => canRunSome(look)) ? EXIT.done : EXIT.fault;
}

interface Found {
  readonly name: string;
  readonly look: Look;
  readonly text: string;
}

async function examine(
  instance: InstanceSettings,
  context: { readonly config: Config; readonly workflows: Workflows; readonly signal: AbortSignal },
): Promise<Found> {
  const name = `${context.config.worker.name}/${instance.name}`;
  const label = `${name} (${showUrl(instance.url)})`;
  const look = await lookAt(label, instance, context).catch((error: unknown): Look => {
    if (!context.signal.aborted) throw error;
    const fault = `The ComfyUI instance ${label} did not say within ${DEADLINE_MS / 1000} s what it has.`;
    return { fault, advice: undefined };
  });
  return { name, look, text: tellOf(label, look, context.workflows) };
}

function toJson({ name, look, text }: Found) {
  return { name, answers: !('fault' in look), text };
}

function canRunSome(look: Look): boolean {
  return !('fault' in look) && (look.verdicts ?? []).some(({ lacks }) => lacks.length === 0);
}

/** The default is preferred to any other checkpoint. */
function text2img(found: readonly Found[], workflows: Workflows, { limits }: Config) {
  const named = found.flatMap(({ look }) => {
    const checkpoint =
      'fault' in look || look.abilities === undefined ? undefined : checkpointToName(look.abilities, workflows, limits);
    return checkpoint === undefined ? [] : [checkpoint];
  });
  const [first] = named;
  if (first === undefined) return null;
  return { checkpoint: named.includes(null) ? null : first };
}

const START = 'start ComfyUI there (python main.py --listen), or correct its address';

/** What an instance is, which workflows it can run, and what to do where it cannot: sentences. */
export function tellOf(label: string, look: Look, workflows: Workflows): string {
  if ('fault' in look) return `${look.fault} ${sentence(look.advice ?? START)}`;
  const { abilities = {}, verdicts = [] } = look;
  const checkpoints = checkpointsOf(abilities, workflows);
  // What it has in place of one that it lacks is said there.
  const isLacking = verdicts.some(({ lacks }) =>
    lacks.some((lack) => lack.input !== undefined && lack.setBy === 'checkpoint'),
  );
  const names = isLacking ? '' : ` (${listed(checkpoints)})`;
  const has = checkpoints.length === 0 ? 'no checkpoint' : `${plural(checkpoints.length, 'checkpoint')}${names}`;
  return [`${label} is ${whatItIs(look)} and ${has}.`, ...verdictSentences(verdicts)].join(' ');
}

function verdictSentences(verdicts: readonly WorkflowVerdict[]): string[] {
  if (verdicts.length === 0) return ['It serves no pool that any job goes to.'];
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
