import type { Config, Environment } from '@comfy-fleet/config';
import type { Logger } from '@comfy-fleet/telemetry';
import { loadWorkflows, WorkflowError, type Workflows } from '@comfy-fleet/workflows';
import { checkComfyui } from './checks/comfyui.js';
import { checkFfmpeg } from './checks/ffmpeg.js';
import { checkKeys } from './checks/keys.js';
import { checkPublicUrl } from './checks/public-url.js';
import { checkRedis } from './checks/redis.js';
import { checkStorage } from './checks/storage.js';
import { checkTargets } from './checks/targets.js';
import { checkWebhooks } from './checks/webhooks.js';
import { checkWorkflows } from './checks/workflows.js';
import type { Check } from './run-checks.js';

const DEADLINE_MS = 10_000;
/** A ComfyUI with many custom nodes is asked for each node class that a workflow uses. */
const COMFYUI_DEADLINE_MS = 30_000;

/** Everything that is looked at for these settings, in the order in which it is reported. */
export function checksOf(
  config: Config,
  { env, log }: { readonly env: Environment | undefined; readonly log: Logger },
): Check[] {
  const loading = loadWorkflows(config.workflowsDir, config);
  loading.catch(() => {}); // reported by its own check
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
    check('storage', (signal) => checkStorage(config, signal)),
    check('ffmpeg', (signal) => checkFfmpeg(config, signal)),
    check('keys', () => checkKeys(config)),
    check('webhooks', () => checkWebhooks(config)),
    check('targets', async () => checkTargets(config)),
    check('public-url', (signal) => checkPublicUrl(config, signal)),
  ];
}
