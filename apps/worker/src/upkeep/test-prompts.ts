import { randomInt } from 'node:crypto';
import { type ErrorCode, FleetError, newId } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Instance, PromptNews } from '../instance/instance.js';
import { deleteOutputs } from '../instance/leftovers.js';
import type { Slots } from '../slots/slots.js';
import { NewsFeed } from '../waiting.js';
import { untilEnded, type Waiting } from './warm-up.js';

/** Longest wait for its end, including the time behind other prompts. */
const DEADLINE_MS = 60_000;

/** Errors that show a fault of the instance, since no caller influences the prompt. */
const FAULTS: readonly ErrorCode[] = [
  'node_execution_error',
  'out_of_memory',
  'gpu_failed',
  'model_unreadable',
  'instance_io_failed',
  'library_missing',
  'prompt_lost',
  'comfyui_error',
];

interface Options {
  readonly slots: Pick<Slots, 'instance' | 'drains'>;
  readonly pollMs: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/**
 * Runs a test prompt on the instance when it is suspected of a fault, because the caller of the failed job may control
 * the error. Call it repeatedly.
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

/**
 * Runs a tiny graph of core nodes that every ComfyUI has: ImageBlur computes on the GPU, SaveImage writes to the disk.
 * Answers the error that shows a fault of the instance, `passed`, or `unknown`.
 */
async function runTestPrompt(
  instance: Instance,
  promptId: string,
  waiting: Waiting,
): Promise<FleetError | 'passed' | 'unknown'> {
  const { signal } = waiting;
  const ends = new NewsFeed<PromptNews>();
  let wasCutOff = false;
  const stopListening = instance.listen(promptId, (news) => {
    if (news.type === 'disconnected') wasCutOff = true;
    if (news.type === 'idle' || news.type === 'reconnected') ends.push(news);
  });
  try {
    const { clientId } = instance;
    await instance.ask((client) => client.submit(testGraph(promptId), { promptId, clientId, signal }));
    const entry = await untilEnded(instance, promptId, ends, { ...waiting, deadlineMs: DEADLINE_MS });
    await deleteOutputs(instance.folders, entry.outputs);
    return entry.outcome === 'success' ? 'passed' : (entry.error ?? 'unknown');
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    // A restart loses every prompt.
    return FAULTS.includes(error.code) && !wasCutOff ? error : 'unknown';
  } finally {
    stopListening();
  }
}

/** A random colour keeps ComfyUI from answering from its cache. */
function testGraph(promptId: string) {
  return {
    '1': { class_type: 'EmptyImage', inputs: { width: 64, height: 64, batch_size: 1, color: randomInt(0x1000000) } },
    '2': { class_type: 'ImageBlur', inputs: { image: ['1', 0], blur_radius: 1, sigma: 1 } },
    '3': { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: promptId } },
  };
}
