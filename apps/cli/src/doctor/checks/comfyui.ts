import { readFile } from 'node:fs/promises';
import { exposuresOf } from '@comfy-fleet/comfyui';
import {
  type Config,
  ConfigError,
  type Environment,
  type InstanceSettings,
  parseApiKeys,
  readInstances,
} from '@comfy-fleet/config';
import { sendsGraphs } from '@comfy-fleet/contracts';
import { explainVerdicts, type Workflows, type WorkflowVerdict } from '@comfy-fleet/workflows';
import { lookAt, whatItIs } from '../../instances/probe.js';
import { showUrl } from '../../text.js';
import { clockFinding, type Finding, reportOf } from '../finding.js';

interface Looked extends Context {
  /** Keys may send graphs of their own. */
  readonly isExposed: boolean;
}

interface Context {
  /** Undefined where they are not known. */
  readonly workflows: Workflows | undefined;
  readonly signal: AbortSignal;
}

/** Every ComfyUI that the settings name: whether it is there, has what the workflows ask for, and what time it has. */
export async function checkComfyui(
  config: Config,
  { env, ...context }: Context & { readonly env: Environment | undefined },
): Promise<Finding[]> {
  const { fail, warn } = reportOf('comfyui');
  let instances: readonly InstanceSettings[];
  try {
    instances = await readInstances(config, env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map((fault) => fail(fault, 'correct the file; docs/deploy.md says what goes into it'));
  }
  if (instances.length === 0) {
    const fix = 'where a worker runs, set COMFYUI_URLS to the addresses of its instances, e.g. http://127.0.0.1:8188';
    return [warn('COMFYUI_URLS is not set, so no instance was looked at', fix)];
  }
  const isExposed = await hasGraphKeys(config);
  const found = await Promise.all(
    instances.map((instance) => checkInstance(instance, config, { ...context, isExposed })),
  );
  return found.flat();
}

async function checkInstance(
  instance: InstanceSettings,
  config: Config,
  { workflows, signal, isExposed }: Looked,
): Promise<Finding[]> {
  const { ok, fail } = reportOf('comfyui');
  const { instancesFile } = config.comfyui;
  const address = instancesFile === undefined ? showUrl(instance.url) : `${instance.name} (${showUrl(instance.url)})`;
  const look = await lookAt(address, instance, { config, workflows, signal });
  if ('fault' in look) {
    const setting = instancesFile === undefined ? 'COMFYUI_URLS' : `its url in ${instancesFile}`;
    const fix = `start ComfyUI there (python main.py --listen), or correct ${setting}, and see that this machine may reach it`;
    return [fail(look.fault, look.advice ?? fix)];
  }
  return [
    ok(`${address} is ${whatItIs(look)}`),
    ...(await checkClock(instance, address, signal)),
    ...(look.verdicts === undefined ? [] : lackFindings(address, look.verdicts)),
    ...(isExposed ? await exposureFindings(instance, address, look.version) : []),
  ];
}

/** What lets a graph of one key reach the files of others there. */
async function exposureFindings(instance: InstanceSettings, address: string, version: string | undefined) {
  const exposures = await exposuresOf({ ...instance, version });
  return exposures.map(({ what, fix }) =>
    reportOf('comfyui-exposure').warn(`keys may send graphs of their own to ${address}: ${what}`, fix),
  );
}

/** Keys that cannot be read are a finding of their own check. */
async function hasGraphKeys({ access: { keysFile: path } }: Config): Promise<boolean> {
  if (path === undefined) return false;
  try {
    return parseApiKeys(await readFile(path, 'utf8'), path).some(sendsGraphs);
  } catch {
    return false;
  }
}

/** By the header Date, which has whole seconds, beyond the time that the answer took. Without one nothing is said. */
async function checkClock(
  { url, headers }: Pick<InstanceSettings, 'url' | 'headers'>,
  address: string,
  signal: AbortSignal,
): Promise<Finding[]> {
  const before = Date.now();
  // Followed, a redirect would carry the headers to another host.
  const answer = await fetch(`${url}/system_stats`, { signal, headers, redirect: 'manual' }).catch(() => undefined);
  await answer?.body?.cancel();
  const after = Date.now();
  const date = Date.parse(answer?.headers.get('date') ?? '');
  if (Number.isNaN(date)) return [];
  const offsetMs = date + 1000 < before ? date + 1000 - before : Math.max(0, date - after);
  return [clockFinding(address, offsetMs, { fineMs: 2000, badMs: 30_000 })];
}

/** What an instance lacks of what the workflows need; one finding when it lacks nothing. */
function lackFindings(address: string, verdicts: readonly WorkflowVerdict[]): Finding[] {
  const { ok, fail, warn } = reportOf('comfyui-models');
  if (verdicts.length === 0) {
    const fix =
      'give it a pool that a workflow or a level of detail goes to (pools in COMFYUI_INSTANCES_FILE, WORKER_POOLS)';
    return [warn(`${address} serves no pool that any job goes to`, fix)];
  }
  const { able, lacks } = explainVerdicts(verdicts);
  if (lacks.length === 0) {
    return [ok(`${address} has every node and model that the workflows need: ${able.join(' and ')}`)];
  }
  return lacks.map(({ what, fix, workflow }) => fail(`${address} lacks ${what}, which ${workflow}.json needs`, fix));
}
