import type { HistoryEntry } from '@comfy-fleet/comfyui';
import type { ResolvedRequest } from '@comfy-fleet/contracts';
import type { NodeTime, Progress, Timings } from '@comfy-fleet/jobs';
import { setSpanAttributes } from '@comfy-fleet/telemetry';
import { type Graph, type Loader, textNodesOf } from '@comfy-fleet/workflows';
import type { Instance, PromptNews } from '../instance/instance.js';
import type { CallerNames } from './caller-names.js';
import { type Loads, LoadWatch } from './load-watch.js';
import { NodeWatch } from './node-watch.js';
import { NodeWork, ProgressTracker } from './progress-tracker.js';
import { TextWatch } from './text-watch.js';

/** How long recording the beginning waits for ComfyUI's list of cached nodes. */
const CACHED_MS = 100;
/** Shorter executions are recorded together with their end, because nobody could see them run. */
const NOTE_MS = 20;

/** The graph for ComfyUI, and what is known of its nodes. */
export interface BoundGraph {
  /** The version of its workflow, see `graphOf`. */
  readonly version: string;
  readonly graph: Graph;
  readonly loaders: ReadonlyMap<string, Loader>;
  /** How long nodes take per unit of work, in ms by id; empty: no execution of such a graph was observed. */
  readonly times: ReadonlyMap<string, number>;
  /** Names of its outputs, by node id. */
  readonly outputs: ReadonlyMap<string, string>;
  readonly names: CallerNames;
}

interface SubmissionOptions {
  readonly promptId: string;
  readonly bound: BoundGraph;
  readonly request: Pick<ResolvedRequest, 'inputs'>;
  readonly instance: Instance;
  /** Receives every event of the prompt, after this object has processed it. */
  readonly onNews: (news: PromptNews) => void;
  /** Receives what was observed of the models when it is over. */
  readonly onLoads: (loads: Loads) => void;
  /** The recorded state of a submission that an earlier claim made. */
  readonly adopted?: { readonly startedAt: number | null; readonly fraction: number };
}

/** One prompt for one ComfyUI, and what is known of it, from before it is sent until ComfyUI no longer has it. */
export class Submission {
  readonly promptId: string;
  readonly graph: Graph;
  readonly outputs: ReadonlyMap<string, string>;
  readonly names: CallerNames;
  /** An earlier claim made it. */
  readonly isAdopted: boolean;
  /** When ComfyUI accepted it, by performance.now(); undefined before. */
  submittedAt: number | undefined;
  /** ComfyUI executes it, or did. */
  hasBegun: boolean;
  /** When it began, in ms since 1970 by our clock; undefined if the beginning was not observed. */
  beganAt: number | undefined;
  /** This claim has recorded its beginning. */
  isBeginningRecorded = false;
  /** How long ComfyUI executed it; undefined unless this claim observed both its beginning and its end. */
  executedMs: number | undefined;
  /** How much of that time went into loading models; undefined until that was observed. */
  loadedMs: number | undefined;
  /** The hint that was submitted before it, to encode its texts and others. */
  hint: { readonly ms: number | undefined } | undefined;
  /** Its entry in ComfyUI's history; undefined until it has ended. */
  entry: HistoryEntry | undefined;
  /** The instance died or was restarted while it had the prompt. */
  instanceDied = false;
  /** The instance did not answer for `unreachableMs` while it executed or queued the prompt. */
  instanceSilent = false;
  /** When the instance fell silent, it had the submission of another key's job to answer, see Slots.mayHangForOther. */
  isBystander = false;
  /** ComfyUI may still execute it after its job has ended. */
  isInDoubt = false;
  /** The progress that the socket reported. */
  progress: Progress;
  /** The progress has changed since it was last taken. */
  hasProgressed = false;
  /** The nodes whose results ComfyUI had cached; undefined until it reports them. */
  cachedNodes: readonly string[] | undefined;
  /** When its last preview was published, by performance.now(). */
  previewedAt = Number.NEGATIVE_INFINITY;
  readonly stopListening: () => void;
  readonly #tracker: ProgressTracker;
  readonly #loads: LoadWatch;
  readonly #nodes: NodeWatch;
  readonly #work: NodeWork;
  readonly #textWatch: TextWatch;
  readonly #onLoads: (loads: Loads) => void;
  readonly #observed: { began?: number; ended?: number; node?: string } = {};

  /** Starts to observe the prompt's events. */
  constructor(options: SubmissionOptions) {
    const { promptId, bound, request, instance, onNews, onLoads, adopted } = options;
    setSpanAttributes({ 'comfy_fleet.prompt_id': promptId });
    this.promptId = promptId;
    this.graph = bound.graph;
    this.outputs = bound.outputs;
    this.names = bound.names;
    this.isAdopted = adopted !== undefined;
    // An adopted submission that was executing was counted by the claim that started it, and its time runs from there.
    this.beganAt = adopted?.startedAt ?? undefined;
    this.hasBegun = this.beganAt !== undefined;
    this.progress = { fraction: adopted?.fraction ?? 0, step: null, steps: null, node: null };
    this.#work = new NodeWork(bound.graph, request);
    const expected = { work: this.#work, times: bound.times };
    this.#tracker = new ProgressTracker(bound.graph, expected, this.progress.fraction);
    this.#nodes = new NodeWatch(bound.graph);
    this.#loads = new LoadWatch(bound.loaders, instance.models);
    const nodes = { ...textNodesOf(bound.graph), loaders: bound.loaders };
    this.#textWatch = new TextWatch(nodes, (seen) => instance.encodeAhead.learn(bound.version, seen));
    this.#onLoads = onLoads;
    const stop = instance.listen(promptId, (news) => {
      this.#observe(news);
      onNews(news);
    });
    this.stopListening = () => {
      stop();
      this.#ended();
    };
  }

  /** When the socket reported its beginning and end, by performance.now(), and the last node that began. */
  get observed(): {
    readonly began?: number | undefined;
    readonly ended?: number | undefined;
    readonly node?: string | undefined;
  } {
    return this.#observed;
  }

  /** How its time was spent; null when no node was observed. */
  get timings(): Timings | null {
    const nodes = this.#nodes.timings;
    const [modelLoadMs, encodeAheadMs] = [rounded(this.loadedMs), rounded(this.hint?.ms)];
    return nodes.length === 0 ? null : { nodes, modelLoadMs, ...(encodeAheadMs === null ? {} : { encodeAheadMs }) };
  }

  /** How long its nodes took, and how much work they had. */
  get nodeTimes(): NodeTime[] {
    return this.#nodes.timings.flatMap(({ nodeId, ms, steps }) =>
      ms === null ? [] : [{ nodeId, ms, work: this.#work.of(nodeId, steps ?? undefined) }],
    );
  }

  /** All of its nodes were observed from beginning to end. */
  get isFullyObserved(): boolean {
    return !this.isAdopted && this.#nodes.isComplete;
  }

  /** In how many ms the beginning must be recorded; infinite when there is nothing to record. */
  get beginningDueInMs(): number {
    if (this.beganAt === undefined || this.isBeginningRecorded) return Number.POSITIVE_INFINITY;
    const afterMs = this.cachedNodes === undefined ? CACHED_MS : NOTE_MS;
    return Math.max(0, this.beganAt + afterMs - Date.now());
  }

  /** The progress, with nodes that are new since the last call. */
  takeProgress(): Progress {
    this.hasProgressed = false;
    return { ran: this.#nodes.takeRan(), ...this.progress };
  }

  /** The progress of a node. */
  stepsOf(node: string | undefined): ReturnType<ProgressTracker['stepsOf']> {
    return this.#tracker.stepsOf(node);
  }

  /** The instance executes it. */
  began(): void {
    this.#loads.began();
  }

  #ended(): void {
    const loads = this.#loads.ended();
    if (loads === undefined) return;
    this.loadedMs = loads.ms;
    this.#onLoads(loads);
  }

  #observe(news: PromptNews): void {
    const now = performance.now();
    this.#loads.take(news, now);
    this.#nodes.take(news, now);
    this.#textWatch.take(news, now);
    switch (news.type) {
      case 'started':
        this.began();
        this.#observed.began ??= performance.now();
        return;
      case 'succeeded':
      case 'failed':
      case 'interrupted':
        this.#observed.ended ??= performance.now();
        this.began();
        this.#ended();
        return;
      case 'node':
        this.#observed.node = news.node;
        this.#track(news);
        return;
      case 'cached':
        this.cachedNodes = news.nodes;
        this.#track(news);
        return;
      case 'progress':
      case 'progress_state':
        this.#track(news);
        return;
    }
  }

  #track(news: Parameters<ProgressTracker['take']>[0]): void {
    if (this.#tracker.take(news)) this.hasProgressed = true;
    this.progress = this.#tracker.progress;
  }
}

function rounded(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms);
}
