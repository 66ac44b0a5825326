import type { Config, Environment } from '@comfy-fleet/config';
import { joinSignals, orAborted } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import { loadWorkflows, WorkflowError, type Workflows } from '@comfy-fleet/workflows';
import { checkPublicUrl, checkTargets } from './checks/addresses.js';
import { checkComfyui } from './checks/comfyui.js';
import { checkKeys, checkWebhooks } from './checks/keys.js';
import { checkModels } from './checks/models.js';
import { checkRedis } from './checks/redis.js';
import { checkStorage } from './checks/storage.js';
import { type Finding, reportOf } from './finding.js';

const DEADLINE_MS = 10_000;
/** Longer, since we ask a ComfyUI for each node class that a workflow uses. */
const COMFYUI_DEADLINE_MS = 30_000;

/** All checks for these settings, in the order in which they are reported. */
export function checksOf(
  config: Config,
  { env, log }: { readonly env: Environment | undefined; readonly log: Logger },
): Check[] {
  const loading = loadWorkflows(config.workflowsDir, config);
  loading.catch(() => {}); // the check `workflows` reports it
  const workflows = (): Promise<Workflows | undefined> =>
    loading.catch((error: unknown) => {
      if (error instanceof WorkflowError) return undefined;
      throw error;
    });
  const check = (name: string, run: Check['run'], deadlineMs = DEADLINE_MS): Check => ({ name, deadlineMs, run });
  return [
    check('redis', (signal) => checkRedis(config, signal, log)),
    check('workflows', () => checkWorkflows(config, loading)),
    check(
      'comfyui',
      async (signal) => checkComfyui(config, { env, workflows: await workflows(), signal }),
      COMFYUI_DEADLINE_MS,
    ),
    check('models', () => checkModels(config, env)),
    check('storage', (signal) => checkStorage(config, signal)),
    check('keys', () => checkKeys(config)),
    check('webhooks', () => checkWebhooks(config)),
    check('targets', async () => checkTargets(config)),
    check('public-url', (signal) => checkPublicUrl(config, signal)),
  ];
}

export interface Check {
  readonly name: string;
  /** The longest it may take, in ms. */
  readonly deadlineMs: number;
  /** Throws only unexpected errors, and the signal's reason. */
  run(signal: AbortSignal): Promise<readonly Finding[]>;
}

/** Runs the checks one after the other, so that they do not disturb each other's measurements; yields their findings. */
export async function* runChecks(checks: readonly Check[]): AsyncGenerator<readonly Finding[]> {
  for (const check of checks) yield await runCheck(check);
}

async function runCheck({ name, deadlineMs, run }: Check): Promise<readonly Finding[]> {
  const { fail } = reportOf(name);
  const late = joinSignals([], { ms: deadlineMs });
  try {
    return await orAborted(run(late.signal), late.signal);
  } catch (error) {
    if (late.signal.aborted) {
      const fix = 'find out whether the service that it checks is overloaded, or whether a firewall drops packets';
      return [fail(`this check did not finish within ${deadlineMs / 1000} s`, fix)];
    }
    const words = error instanceof Error ? error.message : String(error);
    return [fail(`the check itself failed: ${words}`, 'report it with the output of npm run doctor -- --json')];
  } finally {
    late.end();
  }
}

/** Loads the workflow templates and profiles as every service does. */
async function checkWorkflows({ workflowsDir }: Config, loading: ReturnType<typeof loadWorkflows>): Promise<Finding[]> {
  const { ok, fail } = reportOf('workflows');
  const fix = `correct it in ${workflowsDir}, or set WORKFLOWS_DIR to the workflows' folder`;
  try {
    const { byName, profiles, faults } = await loading;
    const names = [...byName.keys()].join(', ');
    const found = ok(`${names}, and the profiles ${Object.keys(profiles).join(', ')}`);
    return [found, ...faults.map(({ detail }) => fail(detail, fix))];
  } catch (error) {
    if (!(error instanceof WorkflowError)) throw error;
    return error.faults.map((fault) => fail(fault, fix));
  }
}
