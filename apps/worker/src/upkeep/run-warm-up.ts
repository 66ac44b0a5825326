import type { HistoryEntry } from '@comfy-fleet/comfyui';
import { FleetError, newId } from '@comfy-fleet/contracts';
import type { InstanceNames } from '@comfy-fleet/jobs';
import { bindGraph, loadersOf } from '@comfy-fleet/workflows';
import type { Instance, PromptNews } from '../instance/instance.js';
import { deleteOutputs } from '../instance/leftovers.js';
import type { Slots } from '../slots/slots.js';
import { CallersNames } from '../submission/callers-names.js';
import { Submission } from '../submission/submission.js';
import { NewsFeed } from '../waiting/news-feed.js';
import type { WarmUpOrder } from './warm-up-order.js';

export interface Waiting {
  /** How often to look when the socket says nothing. */
  readonly pollMs: number;
  readonly signal: AbortSignal;
}

interface Naming {
  readonly names: Pick<InstanceNames, 'outputPrefix'>;
}

/** Runs a prompt that is no job's, and keeps nothing of it. Answers its id; throws why it failed. */
export async function runWarmUp(slots: Slots, order: WarmUpOrder, waiting: Waiting & Naming): Promise<string> {
  const { workflow, request, deadlineMs } = order;
  const { instance, meter } = slots;
  const promptId = newId();
  const prefix = waiting.names.outputPrefix(promptId);
  const bound = {
    graph: bindGraph(workflow, request, { filenamePrefix: prefix, files: new Map() }),
    loaders: loadersOf(workflow, request),
    times: new Map<string, number>(),
    outputs: new Map<string, string>(),
    names: new CallersNames({ prefix, files: new Map() }),
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

/** How the prompt ended; throws when that cannot be known, and at the deadline, after which it is stopped. */
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
