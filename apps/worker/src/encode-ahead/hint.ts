import { type HistoryEntry, InstanceUnreachable, SubmissionUnknown } from '@comfy-fleet/comfyui';
import { FleetError, newHintId } from '@comfy-fleet/contracts';
import type { EncodeAheadLedger, HungPrompt, JobRecord } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { RunAhead } from '@comfy-fleet/workflows';
import type { PromptNews } from '../instance/instance.js';
import type { PromptOutcome } from '../instruments.js';
import type { Slots } from '../slots/slots.js';
import { type BoundGraph, Submission } from '../submission/submission.js';
import { NewsFeed } from '../waiting.js';

/**
 * Longest execution: a slow card takes 150 s to swap models, and some seconds for each text. If the hint samples, it may
 * take this time for each job.
 */
const DEADLINE_MS = 300_000;
/** How often to poll a hint that should stop. */
const HURRY_MS = 100;

/** A job for which a hint encodes texts, and how many of the hint's encoders are for it. */
export interface Share {
  readonly job: string;
  readonly key: string;
  readonly encoders: number;
}

/** What every hint of an instance needs. */
export interface HintTools {
  readonly slots: Slots;
  readonly ledger: Pick<EncodeAheadLedger, 'isAnyWanted' | 'killed' | 'charge'>;
  /** How often to poll when the socket is silent. */
  readonly pollMs: number;
  /** How long a hint may go on after its first interrupt. */
  readonly graceMs: number;
  readonly recordHung: (hung: HungPrompt) => Promise<void>;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

interface HintOptions extends HintTools {
  /** The job before whose prompt it runs. */
  readonly record: JobRecord;
  readonly bound: BoundGraph;
  /** One for each job, that of `record` first. */
  readonly shares: readonly Share[];
  readonly runs: RunAhead;
}

/**
 * A prompt that encodes texts of several jobs and belongs to none of them. It holds no state: if it is lost or fails, the
 * jobs' own prompts encode these texts.
 */
export class Hint {
  readonly #options: HintOptions;
  readonly promptId = newHintId();
  /** It is or was stopped because it took too long. */
  isLate = false;
  readonly #submission: Submission;
  readonly #news = new NewsFeed<PromptNews>();
  #ms: number | undefined;
  /** When ComfyUI last reported it, by performance.now(). */
  #seenAt = performance.now();
  /** Since when ComfyUI executes it. */
  #runningSince: number | undefined;
  /** ComfyUI died while it executed the hint. */
  #hasKilled = false;

  constructor(options: HintOptions) {
    const { slots, record, bound } = options;
    this.#options = options;
    this.#submission = new Submission({
      promptId: this.promptId,
      bound,
      request: record.request,
      instance: slots.instance,
      onNews: (news) => this.#take(news),
      onLoads: (loads) => slots.meter.loaded(loads),
    });
    slots.hint.submitted(this.promptId);
  }

  /** How many jobs it encodes texts for. */
  get jobs(): number {
    return this.#options.shares.length;
  }

  /** How long it executed; undefined while that is unknown. */
  get ms(): number | undefined {
    return this.#ms;
  }

  /** Submits it. Returns whether ComfyUI has it or may have it; then call `follow`. */
  async submit(): Promise<boolean> {
    const { slots, bound, shares, signal, log } = this.#options;
    const { instance } = slots;
    const about = { instance: instance.name, prompt_id: this.promptId, jobs: shares.length };
    try {
      const { clientId } = instance;
      const options = { promptId: this.promptId, clientId, extraData: { preview_method: 'none' }, signal };
      await instance.ask((client) => client.submit(bound.graph, options));
      log.info('texts are encoded ahead', about);
      return true;
    } catch (error) {
      if (error instanceof SubmissionUnknown) return true;
      this.#ended();
      log.warn('texts cannot be encoded ahead', { ...about, error });
      return false;
    }
  }

  /**
   * Follows it to its end, stops it if it takes too long or if no job wants it, and charges its time. `lost`: ComfyUI
   * began to execute it and no longer has it.
   */
  async follow(): Promise<{ readonly outcome: PromptOutcome; readonly error: FleetError | undefined }> {
    const { log } = this.#options;
    try {
      const end = await this.#untilEnded();
      const outcome = this.#outcomeOf(end);
      if (outcome === 'lost' || outcome === 'wedged') await this.#recordKill();
      const entry = typeof end === 'string' ? undefined : end;
      this.#ended(entry);
      if (outcome === 'failed') log.warn('encoding ahead failed', { prompt_id: this.promptId, error: entry?.error });
      await this.#charge();
      if (entry !== undefined) await this.#deleteHistory();
      return { outcome, error: entry?.error };
    } finally {
      this.#ended();
    }
  }

  #outcomeOf(end: HistoryEntry | 'absent' | 'wedged'): PromptOutcome {
    if (end === 'wedged') return end;
    if (end === 'absent') return this.#runningSince === undefined && !this.#hasKilled ? 'removed' : 'lost';
    return end.outcome === 'success' ? 'succeeded' : end.outcome === 'error' ? 'failed' : 'interrupted';
  }

  #take(news: PromptNews): void {
    const { slots, record } = this.#options;
    const { began, ended } = this.#submission.observed;
    if (began !== undefined) {
      this.#runningSince ??= began;
      slots.hint.began(this.promptId, record, began);
    }
    if (ended !== undefined) slots.hint.ended(this.promptId, ended);
    if (news.type !== 'disconnected') this.#seenAt = performance.now();
    if (['idle', 'reconnected', 'disconnected'].includes(news.type)) this.#news.push(news);
  }

  #ended(entry?: HistoryEntry): void {
    const { began, ended = this.#seenAt } = this.#submission.observed;
    // The socket may have been silent.
    if (began !== undefined) this.#ms ??= ended - began;
    else if (entry?.startedAt !== undefined && entry.endedAt !== undefined)
      this.#ms ??= entry.endedAt - entry.startedAt;
    this.#submission.stopListening();
    this.#options.slots.hint.ended(this.promptId, ended);
  }

  async #untilEnded(): Promise<HistoryEntry | 'absent' | 'wedged'> {
    const { slots, pollMs, graceMs, recordHung, signal, log } = this.#options;
    const { instance } = slots;
    let interruptedAt: number | undefined;
    let quietMs = pollMs;
    for (;;) {
      await this.#news.next(quietMs, signal);
      try {
        const found = await instance.ask((client) => client.find(this.promptId, signal));
        if (found.state === 'ended') return found.entry;
        if (found.state === 'absent') return 'absent';
        this.#seenAt = performance.now();
        const isRunning = found.state === 'running';
        if (isRunning) this.#runningSince ??= performance.now();
        this.#checkDeadline();
        const isBehindHung = !isRunning && instance.health.isHung;
        if (!isBehindHung && !this.isLate && (await this.#isWanted())) continue;
        quietMs = HURRY_MS;
        if (isRunning && interruptedAt !== undefined && Date.now() - interruptedAt >= graceMs) {
          const { node } = this.#submission.observed;
          const nodeClass = node === undefined ? null : (this.#submission.graph[node]?.class_type ?? node);
          await recordHung({ instance: instance.name, promptId: this.promptId, since: interruptedAt, node: nodeClass });
          return 'wedged';
        }
        await instance.ask((client) =>
          isRunning ? client.interrupt(this.promptId, signal) : client.deleteQueued([this.promptId], signal),
        );
        if (isRunning) interruptedAt ??= Date.now();
      } catch (error) {
        // The instance or Redis cannot be reached now.
        if (!(error instanceof FleetError)) throw error;
        const isDead = error instanceof InstanceUnreachable && error.isRefused && slots.hintExecutes;
        if (!isDead || this.#hasKilled) continue;
        this.#hasKilled = true;
        // At once: until its fate is known, other graphs of its key could kill more instances. The end records it again.
        await this.#recordKill().catch((cause: unknown) => log.warn('a kill could not be recorded', { error: cause }));
      }
    }
  }

  /** PreviewAny prints some 13 KB for each text, which ComfyUI would keep in memory for its last 10,000 prompts. */
  async #deleteHistory(): Promise<void> {
    const { slots, signal, log } = this.#options;
    try {
      await slots.instance.ask((client) => client.deleteHistory(this.promptId, signal));
    } catch (error) {
      signal.throwIfAborted();
      log.debug('the history of a hint could not be deleted', { prompt_id: this.promptId, error });
    }
  }

  #checkDeadline(): void {
    const mostMs = this.#options.runs === 'sampler' ? DEADLINE_MS * this.jobs : DEADLINE_MS;
    this.isLate = this.#runningSince !== undefined && performance.now() - this.#runningSince > mostMs;
  }

  async #recordKill(): Promise<void> {
    const { ledger, record, shares } = this.#options;
    // It may be the text of another key.
    if (shares.every(({ key }) => key === record.key)) await ledger.killed(record, this.promptId);
  }

  #isWanted(): Promise<boolean> {
    return this.#options.ledger.isAnyWanted(this.#options.shares.map(({ job }) => job));
  }

  /** Each key pays for the encoders of its jobs. */
  async #charge(): Promise<void> {
    const { slots, record, shares, ledger } = this.#options;
    if (this.#ms === undefined) return;
    const ms = Math.round(this.#ms);
    const all = shares.reduce((sum, { encoders }) => sum + encoders, 0);
    const parts = shares.map(({ job, key, encoders }) => {
      return { id: job, key, pool: record.pool, ms: Math.round((ms * encoders) / all) };
    });
    const { loadedMs } = this.#submission;
    const loaded = loadedMs === undefined ? undefined : Math.round(loadedMs);
    await ledger.charge(parts, { instance: slots.instance.name, ms, loadedMs: loaded });
  }
}
