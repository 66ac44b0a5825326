import { readFile } from 'node:fs/promises';
import { type CacheMode, exposuresOf } from '@comfy-fleet/comfyui';
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
import { describeStats, probeInstance } from '../../instances/probe.js';
import { showUrl } from '../../text.js';
import { clockFinding, type Finding, reportOf } from '../finding.js';

interface ProbeOptions extends Context {
  /** Some keys may send their own graphs. */
  readonly isExposed: boolean;
}

interface Context {
  /** Undefined if they could not be loaded. */
  readonly workflows: Workflows | undefined;
  readonly signal: AbortSignal;
}

/** Checks whether each configured ComfyUI answers, has the models and nodes of the workflows, and has the right time. */
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
    return error.faults.map((fault) => fail(fault, 'correct the file; docs/deploy.md describes it'));
  }
  if (instances.length === 0) {
    const fix =
      'on machines with a worker, set COMFYUI_URLS to the addresses of its instances, e.g. http://127.0.0.1:8188';
    return [warn('COMFYUI_URLS is not set, so no instance was checked', fix)];
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
  { workflows, signal, isExposed }: ProbeOptions,
): Promise<Finding[]> {
  const { ok, fail } = reportOf('comfyui');
  const { instancesFile } = config.comfyui;
  const address = instancesFile === undefined ? showUrl(instance.url) : `${instance.name} (${showUrl(instance.url)})`;
  const probe = await probeInstance(address, instance, { config, workflows, signal });
  if ('fault' in probe) {
    const setting = instancesFile === undefined ? 'COMFYUI_URLS' : `its url in ${instancesFile}`;
    const fix = `start ComfyUI there (python main.py --listen), or correct ${setting}, and make sure that this machine can reach it`;
    return [fail(probe.fault, probe.advice ?? fix)];
  }
  return [
    ok(`${address} is ${describeStats(probe)}`),
    ...(await checkClock(instance, address, signal)),
    ...(config.worker.encodeAhead.mode !== 'off' ? cacheFindings(address, probe.cacheMode) : []),
    ...(probe.verdicts === undefined ? [] : missingFindings(address, probe.verdicts)),
    ...(isExposed ? await exposureFindings(instance, address, probe.version) : []),
  ];
}

/** A ComfyUI that keeps only results of the last prompt loses texts that are encoded ahead. */
function cacheFindings(address: string, { kind }: CacheMode): Finding[] {
  if (kind === 'lru' || kind === 'ram') return [];
  const found = `${address} keeps too few results to encode the texts of waiting jobs ahead`;
  const fix = 'start that ComfyUI with --cache-ram 4 4 (0.33 or newer) or --cache-lru 64; see docs/encode-ahead.md';
  return [reportOf('comfyui-cache').warn(found, fix)];
}

/** Finds ways in which a graph of one key could reach files of other keys on the instance. */
async function exposureFindings(instance: InstanceSettings, address: string, version: string | undefined) {
  const exposures = await exposuresOf({ ...instance, version });
  return exposures.map(({ what, fix }) =>
    reportOf('comfyui-exposure').warn(`keys may send their own graphs to ${address}: ${what}`, fix),
  );
}

/** False if the keys cannot be read, which the check `keys` reports. */
async function hasGraphKeys({ access: { keysFile: path } }: Config): Promise<boolean> {
  if (path === undefined) return false;
  try {
    return parseApiKeys(await readFile(path, 'utf8'), path).some(sendsGraphs);
  } catch {
    return false;
  }
}

/** Compares the Date header, which has whole seconds, allowing for the time that the answer took. No finding without it. */
async function checkClock(
  { url, headers }: Pick<InstanceSettings, 'url' | 'headers'>,
  address: string,
  signal: AbortSignal,
): Promise<Finding[]> {
  const before = Date.now();
  // Following a redirect would send the headers to another host.
  const answer = await fetch(`${url}/system_stats`, { signal, headers, redirect: 'manual' }).catch(() => undefined);
  await answer?.body?.cancel();
  const after = Date.now();
  const date = Date.parse(answer?.headers.get('date') ?? '');
  if (Number.isNaN(date)) return [];
  const offsetMs = date + 1000 < before ? date + 1000 - before : Math.max(0, date - after);
  return [clockFinding(address, offsetMs, { fineMs: 2000, badMs: 30_000 })];
}

/** Findings for the nodes and models that an instance lacks; a single `ok` if it lacks nothing. */
function missingFindings(address: string, verdicts: readonly WorkflowVerdict[]): Finding[] {
  const { ok, fail, warn } = reportOf('comfyui-models');
  if (verdicts.length === 0) {
    const fix =
      'give it a pool that a workflow or level of detail uses (pools in COMFYUI_INSTANCES_FILE, WORKER_POOLS)';
    return [warn(`${address} serves only pools that no job uses`, fix)];
  }
  const { able, lacks } = explainVerdicts(verdicts);
  if (lacks.length === 0) {
    return [ok(`${address} has every node and model that the workflows need: ${able.join(' and ')}`)];
  }
  return lacks.map(({ what, fix, workflow }) => fail(`${address} lacks ${what}, which ${workflow}.json needs`, fix));
}
