import { randomInt } from 'node:crypto';
import { type ErrorCode, FleetError } from '@comfy-fleet/contracts';
import type { Instance, PromptNews } from '../instance/instance.js';
import { deleteOutputs } from '../instance/leftovers.js';
import { NewsFeed } from '../waiting/news-feed.js';
import { untilEnded, type Waiting } from './run-warm-up.js';

/** Longest wait for its end, the time behind other prompts included. */
const DEADLINE_MS = 60_000;

/** Errors that show a fault of the instance: no caller has anything to do with the prompt. */
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

/**
 * Runs a tiny graph of core nodes that every ComfyUI has: ImageBlur computes on the GPU, SaveImage writes to the disk.
 * Answers why the instance failed it, that it `passed`, or that this is `unknown`.
 */
export async function runTestPrompt(
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
    // A restart takes every prompt with it.
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
