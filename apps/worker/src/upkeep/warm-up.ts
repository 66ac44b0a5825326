import type { HistoryEntry } from '@comfy-fleet/comfyui';
import { FleetError, graphOf, newId } from '@comfy-fleet/contracts';
import type { InstanceNames } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { bindGraph, loadersOf } from '@comfy-fleet/workflows';
import type { Instance, PromptNews } from '../instance/instance.js';
import { deleteOutputs } from '../instance/leftovers.js';
import type { Slots } from '../slots/slots.js';
import { CallerNames } from '../submission/caller-names.js';
import { Submission } from '../submission/submission.js';
import { NewsFeed } from '../waiting.js';
import type { WarmUpOrder } from './warm-up-order.js';

/** Keeps an instance from jobs until it has run the warm-up: at the start, and after each restart of its ComfyUI. */
export interface WarmUp {
  /**
   * Runs the warm-up if it is due, nothing else closes the instance, and it has no jobs of ours. Call it repeatedly.
   */
  runIfDue(): Promise<void>;
}

interface Options {
  readonly slots: Slots;
  readonly order: WarmUpOrder;
  /** Whether its models are being fetched. */
  readonly isFetching: () => Promise<boolean>;
  readonly names: Pick<InstanceNames, 'outputPrefix'>;
  readonly pollMs: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** After this many warm-ups in a row under which ComfyUI died there are no more: the warm-up may be the cause. */
const MOST_DEATHS = 2;

export function createWarmUp({ slots, order, isFetching, names, pollMs, signal, log }: Options): WarmUp {
  const { instance } = slots;
  const { name, health } = instance;
  let isDue = false;
  let deaths = 0;
  /** The last successful warm-up. ComfyUI has it in its history until it is restarted. */
  let promptId: string | undefined;

  const schedule = () => {
    if (deaths >= MOST_DEATHS) return;
    isDue = true;
    health.close('warming', `it gets jobs after it has run ${order.workflow.name} to load its models`);
  };
  const isWarm = async () => {
    const ended = promptId;
    return ended !== undefined && (await instance.ask((client) => client.history(ended, signal))) !== undefined;
  };
  const warm = async () => {
    const start = performance.now();
    try {
      promptId = await runWarmUp(slots, order, { names, pollMs, signal });
      deaths = 0;
      log.info('instance is warmed up', { instance: name, ms: Math.round(performance.now() - start) });
    } catch (error) {
      if (signal.aborted) return;
      const died = isDue || isUnreachable(error);
      deaths = died ? deaths + 1 : 0;
      isDue = died && deaths < MOST_DEATHS;
      const then = isDue ? 'it is tried once more' : 'the instance gets jobs all the same';
      log.warn(`the warm-up failed; ${then}`, { instance: name, error });
    }
  };

  schedule();
  instance.events.on('disconnected', schedule);
  instance.events.on('health', () => {
    if (health.state === 'down') schedule();
  });
  return {
    runIfDue: async () => {
      if (!isDue || health.state !== 'warming' || slots.drains || slots.onGpu.length > 0) return;
      if (await isFetching()) return;
      isDue = false;
      try {
        if (!(await isWarm())) await warm();
      } catch (error) {
        isDue = true;
        if (!isUnreachable(error)) throw error;
      }
      if (!isDue) health.open('warming');
    },
  };
}

function isUnreachable(error: unknown): boolean {
  return error instanceof FleetError && error.code === 'instance_unreachable';
}

export interface Waiting {
  /** How often to poll when the socket is silent. */
  readonly pollMs: number;
  readonly signal: AbortSignal;
}

interface Naming {
  readonly names: Pick<InstanceNames, 'outputPrefix'>;
}

/** Runs a prompt without a job and keeps none of its results. Answers its id, or throws why it failed. */
async function runWarmUp(slots: Slots, order: WarmUpOrder, waiting: Waiting & Naming): Promise<string> {
  const { workflow, request, deadlineMs } = order;
  const { instance, meter } = slots;
  const promptId = newId();
  const prefix = waiting.names.outputPrefix(promptId);
  const bound = {
    version: graphOf(request),
    graph: bindGraph(workflow, request, { filenamePrefix: prefix, files: new Map() }),
    loaders: loadersOf(workflow, request),
    times: new Map<string, number>(),
    outputs: new Map<string, string>(),
    names: new CallerNames({ prefix, files: new Map() }),
  };
  const ends = new NewsFeed<PromptNews>();
  const submission = new Submission({
    promptId,
    bound,
    request,
    instance,
    onNews: (news) => {
      if (news.type === 'idle' || news.type === 'reconnected') ends.push(news);
    },
    onLoads: (loads) => meter.loaded(loads),
  });
  try {
    const { clientId } = instance;
    const { signal } = waiting;
    await instance.ask((client) => client.submit(bound.graph, { promptId, clientId, signal }));
    const { outcome, outputs, temporary, error } = await untilEnded(instance, promptId, ends, {
      ...waiting,
      deadlineMs,
    });
    await deleteOutputs(instance.folders, [...outputs, ...temporary]);
    // The socket may have been silent.
    submission.began();
    if (outcome === 'success') return promptId;
    throw error ?? new FleetError('interrupted', 'It was interrupted in ComfyUI.');
  } finally {
    submission.stopListening();
  }
}

/** Answers how the prompt ended. Throws when that cannot be known, and at the deadline, after stopping the prompt. */
export async function untilEnded(
  instance: Instance,
  promptId: string,
  ends: NewsFeed<PromptNews>,
  { pollMs, deadlineMs, signal }: Waiting & { readonly deadlineMs: number },
): Promise<HistoryEntry> {
  const start = performance.now();
  for (;;) {
    await ends.next(pollMs, signal);
    const found = await instance.ask((client) => client.find(promptId, signal));
    if (found.state === 'ended') return found.entry;
    if (found.state === 'absent') throw new FleetError('prompt_lost', `The instance ${instance.name} lost it.`);
    if (performance.now() - start < deadlineMs) continue;
    await instance.ask((client) =>
      found.state === 'pending' ? client.deleteQueued([promptId], signal) : client.interrupt(promptId, signal),
    );
    throw new FleetError('timed_out', `It did not end within ${deadlineMs / 1000} s.`);
  }
}
