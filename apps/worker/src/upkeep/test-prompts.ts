import { FleetError, newId } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Slots } from '../slots/slots.js';
import { runTestPrompt } from './run-test-prompt.js';

interface Options {
  readonly slots: Pick<Slots, 'instance' | 'drains'>;
  readonly pollMs: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/**
 * Runs a test prompt on the instance when it is suspected of a fault: whoever sent the job that failed may have chosen its
 * error. To be called again and again.
 */
export function createTestPrompts({ slots, pollMs, signal, log }: Options): () => Promise<void> {
  const { name, health } = slots.instance;
  return async () => {
    if (!health.isTestDue || !health.isReachable || health.state === 'wedged' || slots.drains) return;
    const promptId = newId();
    log.info('a test prompt is submitted', { instance: name, prompt_id: promptId });
    const result = await runTestPrompt(slots.instance, promptId, { pollMs, signal });
    if (!(result instanceof FleetError)) return health.tested(result === 'passed');
    log.error("the test prompt failed, so the fault is the instance's", { instance: name, error: result });
    health.observed({ code: result.code, error: `the test prompt failed: ${result.detail}` });
  };
}
