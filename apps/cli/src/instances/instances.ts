import { type Config, type InstanceSettings, loadConfig, readInstances } from '@comfy-fleet/config';
import { checkpointToName, loadWorkflows, type Workflows } from '@comfy-fleet/workflows';
import type { Surroundings } from '../command.js';
import { showUrl } from '../doctor/show-url.js';
import { EXIT } from '../exit-codes.js';
import { plain } from '../plain.js';
import { asObstacle } from '../workflows/as-obstacle.js';
import { type Look, lookAt } from './look-at.js';
import { tellOf } from './tell.js';

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
