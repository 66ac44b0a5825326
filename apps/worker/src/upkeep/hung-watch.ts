import type { HungPrompt, UnwantedPrompt, UnwantedPrompts } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Instance } from '../instance/instance.js';
import { deleteOutputs } from '../instance/leftovers.js';
import type { Slots } from '../slots/slots.js';
import type { Restarter } from './restarter.js';

/** How long a restart waits for jobs to leave the instance's queue. */
const CLEARING_MS = 10_000;

interface HungWatchOptions {
  readonly prompts: UnwantedPrompts;
  readonly allSlots: readonly Slots[];
  /** How long a prompt may continue after its first interrupt. */
  readonly graceMs: number;
  readonly restarter: Restarter;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/**
 * Stops prompts in our instances that no longer belong to a job, and tracks hung instances, which continue a prompt that
 * was interrupted. A hung instance gets no jobs until the prompt is gone or the instance is restarted.
 */
export interface HungWatch {
  /** Loads the hung prompts that an earlier process with this name recorded. Call it before anything is claimed. */
  begin(): Promise<void>;
  /** Records that the instance ignores an interrupt and that the job ends without the prompt. */
  record(hung: HungPrompt): Promise<void>;
  /**
   * Continues to stop prompts and checks hung instances. Call it repeatedly; an instance that does not answer is checked
   * again next time.
   */
  poll(): Promise<void>;
}

export function createHungWatch({ prompts, allSlots, graceMs, restarter, signal, log }: HungWatchOptions): HungWatch {
  const hungPrompts = new Map<string, HungPrompt>();
  /** When this process learned of each hung instance, by performance.now(). */
  const knownAt = new Map<string, number>();
  /** When unwanted prompts were first interrupted, ms since 1970. */
  const interrupted = new Map<string, number>();

  const close = (hung: HungPrompt) => {
    const slots = allSlots.find(({ instance }) => instance.name === hung.instance);
    if (slots === undefined) return;
    hungPrompts.set(hung.instance, hung);
    knownAt.set(hung.instance, performance.now());
    slots.instance.health.close('wedged', reasonOf(hung), hung.since);
    for (const slot of slots.waiting) if (slot.isWaiting) slot.takeBack();
  };

  const record = async (hung: HungPrompt) => {
    if (hungPrompts.get(hung.instance)?.promptId === hung.promptId) return;
    close(hung);
    await prompts.recordHung(hung);
  };

  const pollInstance = async (instance: Instance, recorded: readonly UnwantedPrompt[]) => {
    const { running, pending } = await instance.ask((client) => client.queue(signal));
    const hung = hungPrompts.get(instance.name);
    const isRecorded = recorded.some(({ promptId }) => promptId === hung?.promptId);
    const unwanted = hung === undefined || isRecorded ? recorded : [...recorded, hung];
    const waiting = unwanted.filter(({ promptId }) => pending.includes(promptId)).map(({ promptId }) => promptId);
    // A prompt that begins meanwhile is no longer in the queue; the next poll finds it running.
    await instance.ask((client) => client.deleteQueued(waiting, signal));
    for (const { promptId } of unwanted) {
      if (running.includes(promptId)) await stop(instance, promptId);
    }
    const gone = unwanted.filter(({ promptId }) => ![...running, ...pending].includes(promptId));
    if (gone.length > 0) await forget(instance, gone);
    if (hung !== undefined && gone.some(({ promptId }) => promptId === hung.promptId)) {
      hungPrompts.delete(instance.name);
      restarter.recovered(instance.name);
      log.info('instance is no longer hung', { instance: instance.name, prompt_id: hung.promptId });
      instance.health.open('wedged');
    }
  };

  const stop = async (instance: Instance, promptId: string) => {
    await instance.ask((client) => client.interrupt(promptId, signal));
    const since = interrupted.get(promptId);
    if (since === undefined) interrupted.set(promptId, Date.now());
    else if (Date.now() - since >= graceMs) await record({ instance: instance.name, promptId, node: null, since });
  };

  const forget = async (instance: Instance, gone: readonly UnwantedPrompt[]) => {
    for (const { promptId } of gone) {
      // No job refers to its outputs.
      const entry = await instance.ask((client) => client.history(promptId, signal));
      await deleteOutputs(instance.folders, entry?.outputs ?? []);
      interrupted.delete(promptId);
    }
    await prompts.forget(gone);
    const ids = gone.map(({ promptId }) => promptId);
    log.info('stopped unwanted prompts', { instance: instance.name, prompt_ids: ids });
  };

  /** Moves waiting jobs elsewhere; then the instance may be restarted. */
  const clear = ({ instance, waiting }: Slots) => {
    for (const slot of waiting) if (slot.isWaiting) slot.takeBack();
    const known = knownAt.get(instance.name) ?? Number.NEGATIVE_INFINITY;
    if (waiting.length > 0 && performance.now() - known < CLEARING_MS) return;
    restarter.needed(instance, 'timed_out');
  };

  return {
    begin: async () => {
      for (const prompt of await prompts.read()) if ('since' in prompt) close(prompt);
    },
    record,
    poll: async () => {
      const unwanted = await prompts.read();
      const polls = allSlots.map(async (slots) => {
        const { name, health } = slots.instance;
        const own = unwanted.filter(({ instance }) => instance === name);
        if (health.isReachable && (own.length > 0 || hungPrompts.has(name))) await pollInstance(slots.instance, own);
        if (hungPrompts.has(name)) clear(slots);
      });
      const failed = (await Promise.allSettled(polls)).find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
    },
  };
}

/** The reason that operators see. */
function reasonOf({ node, since }: HungPrompt): string {
  const what = node === null ? 'what it executes' : `the node ${node}`;
  return `it was asked to stop ${what} at ${new Date(since).toISOString()} and goes on; restart it`;
}
