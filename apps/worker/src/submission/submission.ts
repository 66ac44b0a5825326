import type { HistoryEntry } from '@comfy-fleet/comfyui';
import type { ResolvedRequest } from '@comfy-fleet/contracts';
import type { NodeTime, Progress, Timings } from '@comfy-fleet/jobs';
import { noteFacts } from '@comfy-fleet/telemetry';
import type { Graph, Loader } from '@comfy-fleet/workflows';
import type { Instance, PromptNews } from '../instance/instance.js';
import type { CallersNames } from './callers-names.js';
import { type Loads, LoadWatch } from './load-watch.js';
import { NodeWatch } from './node-watch.js';
import { NodeWork } from './node-work.js';
import { ProgressTracker } from './progress-tracker.js';

/** How long we hold back the beginning of a job until ComfyUI has sent the list of cached nodes. */
const CACHED_MS = 100;
/** Limits of progress texts: how many in one report, and how many characters each. */
const MOST_TEXTS = 16;
const MOST_TEXT_CHARS = 1000;

/** An execution shorter than this is noted with its end, in one step: nobody could have seen it run. */
const NOTE_MS = 20;

/** What ComfyUI is given, and what is known of its nodes. */
export interface BoundGraph {
  readonly graph: Graph;
  readonly loaders: ReadonlyMap<string, Loader>;
  /** How long its nodes take for a unit of their work, in ms by id; empty: nobody has seen such a graph. */
  readonly times: ReadonlyMap<string, number>;
  /** Names of its outputs, by node id. */
  readonly outputs: ReadonlyMap<string, string>;
  readonly names: CallersNames;
}

interface SubmissionOptions {
  readonly promptId: string;
  readonly bound: BoundGraph;
  readonly request: Pick<ResolvedRequest, 'inputs'>;
  readonly instance: Instance;
  /** Every piece of news of it, after this object has taken note. */
  readonly onNews: (news: PromptNews) => void;
  /** It is over: what was seen of its models. */
  readonly onLoads: (loads: Loads) => void;
  /** What is on the record of one that an earlier claim made. */
  readonly adopted?: { readonly startedAt: number | null; readonly fraction: number };
}

/** One prompt that one ComfyUI is given: what is known of it, from before ComfyUI is asked until it has nothing of it. */
export class Submission {
  readonly promptId: string;
  readonly graph: Graph;
  readonly outputs: ReadonlyMap<string, string>;
  readonly names: CallersNames;
  /** An earlier claim made it. */
  readonly isAdopted: boolean;
  /** When ComfyUI had it, by performance.now(); undefined before. */
  submittedAt: number | undefined;
  /** ComfyUI executes it, or did. */
  hasBegun: boolean;
  /** When it began, in ms since 1970 by our clock; undefined when nobody saw it. */
  beganAt: number | undefined;
  /** Its beginning is on the record by this claim. */
  isNoted = false;
  /** How long ComfyUI executed it; undefined unless both its beginning and its end were seen by this claim. */
  executedMs: number | undefined;
  /** How long it loaded models in that time; undefined while nothing was seen of that. */
  loadedMs: number | undefined;
  /** What ComfyUI's history says of it; undefined until it has ended. */
  entry: HistoryEntry | undefined;
  /** The instance died, or was restarted, while it had it. */
  instanceDied = false;
  /** The instance did not answer for `unreachableSeconds` while it executed it, or while it waited there. */
  instanceSilent = false;
  /** ComfyUI may execute it for longer than there is a job. */
  isInDoubt = false;
  /** How far the socket says it is. */
  progress: Progress;
  /** The progress has changed since it was last taken. */
  hasProgressed = false;
  /** The nodes that ComfyUI did not execute because it had their results; undefined if it did not say. */
  cachedNodes: readonly string[] | undefined;
  /** When a preview of it was last passed on, by performance.now(). */
  previewedAt = Number.NEGATIVE_INFINITY;
  readonly stopListening: () => void;
  readonly #tracker: ProgressTracker;
  readonly #loads: LoadWatch;
  readonly #nodes: NodeWatch;
  readonly #work: NodeWork;
  readonly #onLoads: (loads: Loads) => void;
  readonly #texts = new Map<string, string>();
  readonly #heard: { began?: number; ended?: number; node?: string } = {};

  /** Hears the instance's news of it from now on. */
  constructor(options: SubmissionOptions) {
    const { promptId, bound, request, instance, onNews, onLoads, adopted } = options;
    noteFacts({ 'comfy_fleet.prompt_id': promptId });
    this.promptId = promptId;
    this.graph = bound.graph;
    this.outputs = bound.outputs;
    this.names = bound.names;
    this.isAdopted = adopted !== undefined;
    // One that was found executing was counted by the claim that started it, and its time runs from there.
    this.beganAt = adopted?.startedAt ?? undefined;
    this.hasBegun = this.beganAt !== undefined;
    this.progress = { fraction: adopted?.fraction ?? 0, step: null, steps: null, node: null };
    this.#work = new NodeWork(bound.graph, request);
    const expected = { work: this.#work, times: bound.times };
    this.#tracker = new ProgressTracker(bound.graph, expected, this.progress.fraction);
    this.#nodes = new NodeWatch(bound.graph);
    this.#loads = new LoadWatch(bound.loaders, instance.models);
    this.#onLoads = onLoads;
    const stop = instance.listen(promptId, (news) => {
      this.#hear(news);
      onNews(news);
    });
    this.stopListening = () => {
      stop();
      this.#ended();
    };
  }

  /** When the socket said that it began and ended, by performance.now(), and the node that began last. */
  get heard(): {
    readonly began?: number | undefined;
    readonly ended?: number | undefined;
    readonly node?: string | undefined;
  } {
    return this.#heard;
  }

  /** How its time was spent; null when nothing was heard of its nodes. */
  get timings(): Timings | null {
    const nodes = this.#nodes.timings;
    return nodes.length === 0
      ? null
      : { nodes, modelLoadMs: this.loadedMs === undefined ? null : Math.round(this.loadedMs) };
  }

  /** How long its nodes took, and how much work they had. */
  get nodeTimes(): NodeTime[] {
    return this.#nodes.timings.flatMap(({ nodeId, ms, steps }) =>
      ms === null ? [] : [{ nodeId, ms, work: this.#work.of(nodeId, steps ?? undefined) }],
    );
  }

  /** All of its nodes were heard to begin and to end. */
  get isWhollyHeard(): boolean {
    return !this.isAdopted && this.#nodes.isWhole;
  }

  /** In how many ms the beginning is to be noted in the ledger; endless when there is nothing to note. */
  get beginningDueInMs(): number {
    if (this.beganAt === undefined || this.isNoted) return Number.POSITIVE_INFINITY;
    const afterMs = this.cachedNodes === undefined ? CACHED_MS : NOTE_MS;
    return Math.max(0, this.beganAt + afterMs - Date.now());
  }

  /** There are texts to report. ComfyUI's history does not have them. */
  get hasTexts(): boolean {
    return this.#texts.size > 0;
  }

  /** The progress, with what is new since the last call. */
  takeProgress(): Progress {
    const texts = this.hasTexts ? Object.fromEntries(this.#texts) : undefined;
    this.#texts.clear();
    this.hasProgressed = false;
    return { ran: this.#nodes.takeRan(), texts, ...this.progress };
  }

  /** How far a node is. */
  stepsOf(node: string | undefined): ReturnType<ProgressTracker['stepsOf']> {
    return this.#tracker.stepsOf(node);
  }

  /** The instance executes it, and has its models in memory. */
  began(): void {
    this.#loads.began();
  }

  #ended(): void {
    const loads = this.#loads.ended();
    if (loads === undefined) return;
    this.loadedMs = loads.ms;
    this.#onLoads(loads);
  }

  #hear(news: PromptNews): void {
    const now = performance.now();
    this.#loads.take(news, now);
    this.#nodes.take(news, now);
    switch (news.type) {
      case 'started':
        this.began();
        this.#heard.began ??= performance.now();
        return;
      case 'succeeded':
      case 'failed':
      case 'interrupted':
        this.#heard.ended ??= performance.now();
        this.began();
        this.#ended();
        return;
      case 'node':
        this.#heard.node = news.node;
        this.#track(news);
        return;
      case 'text':
        if (this.#texts.size >= MOST_TEXTS && !this.#texts.has(news.node)) return;
        this.#texts.set(news.node, news.text.slice(0, MOST_TEXT_CHARS).toWellFormed());
        this.hasProgressed = true;
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
