import type { PromptQueue } from '@comfy-fleet/comfyui';
import { filesOf, graphOf, isHintId, joinSignals } from '@comfy-fleet/contracts';
import {
  type AbilityReader,
  type EncodeAheadLedger,
  type InstanceNames,
  type JobAhead,
  type JobRecord,
  markOf,
} from '@comfy-fleet/jobs';
import {
  bindGraph,
  type EncodingPlan,
  encodersOf,
  type Graph,
  type JobToEncode,
  type Loader,
  planEncodings,
  type RunAhead,
  signaturesOf,
} from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import type { KnownWorkflows } from '../instance/known-workflows.js';
import { subjectOf } from '../instance/scope.js';
import { CallerNames } from '../submission/caller-names.js';
import type { BoundGraph } from '../submission/submission.js';
import { Hint, type HintTools, type Share } from './hint.js';

/** How many jobs one hint encodes texts for. */
const MOST_JOBS = 8;
/** After ComfyUI has died or hung under this many hints in a row, the instance gets no more. */
const MOST_DEATHS = 2;
/** How many results ComfyUI is assumed to keep if its cache has no limit, and how many failed encoders are remembered. */
const MOST_REMEMBERED = 2000;
/** How long a key stays out of the hints of other keys after one of its texts may have spoilt a hint, and for how many keys. */
const LEFT_OUT_MS = 600_000;
const MOST_LEFT_OUT = 1000;
/** How long the prompt of a job waits while the workflows of other jobs are read. */
const READ_MS = 2000;

interface Planned extends Pick<EncodingPlan, 'graph' | 'signatures'> {
  readonly jobs: readonly JobToEncode[];
  /** Whose jobs these are, in the same order. */
  readonly owners: readonly Pick<JobAhead, 'id' | 'key'>[];
  readonly shares: readonly Share[];
  readonly runs: RunAhead;
}

interface Options extends HintTools {
  readonly ledger: EncodeAheadLedger;
  readonly abilities: Pick<AbilityReader, 'catalogue'>;
  readonly workflows: KnownWorkflows;
  readonly instanceNames: InstanceNames;
}

/** Encodes texts of waiting jobs ahead on one instance, where that saves time. */
export interface Hints {
  /**
   * Submits a hint before the prompt of this job if its texts and those of another job should be encoded first. Does not
   * wait for the end of the hint. Never throws.
   */
  before(record: JobRecord, bound: BoundGraph): Promise<Hint | undefined>;
  /** The mark of the jobs that the instance prefers because a hint encoded their texts; undefined if there are none. */
  readonly mark: string | undefined;
}

export function createHints(options: Options): Hints {
  const { slots, ledger, abilities, workflows, instanceNames, signal, log } = options;
  const { instance } = slots;
  /** The signatures of the results that ComfyUI has or will have when the next prompt begins, the last used last. */
  const cached = new Set<string>();
  /** The signatures of encoders of hints that failed. */
  const failed = new Set<string>();
  /** One at a time, or two jobs that are submitted together would each get a hint for both. */
  const inTurn = pLimit(1);
  const live = new Set<Hint>();
  /** Ids of the jobs of the last hint that have not been submitted here yet. */
  const ahead = new Set<string>();
  /** Keys that stay out of the hints of other keys. */
  const leftOut = new LRUCache<string, true>({ max: MOST_LEFT_OUT, ttl: LEFT_OUT_MS });
  const mark = markOf(instance.name);
  let deaths = 0;

  const isEncoded = (signature: string) => cached.has(signature) || failed.has(signature);
  const isPaying = ({ request }: JobRecord) => instance.encodeAhead.of(graphOf(request)).state !== 'off';
  const remember = (graph: Graph) => {
    use(cached, signaturesOf(graph).values(), Math.min(instance.encodeAhead.mostNodes, MOST_REMEMBERED));
  };

  const bind = async (job: JobAhead, inTime: AbortSignal): Promise<JobToEncode | undefined> => {
    const { key, request } = job;
    try {
      const workflow = await workflows.load(job, inTime);
      const files = new Map(filesOf(request).map(([input, { name }]) => [input, instanceNames.input(key, name)]));
      return { graph: bindGraph(workflow, request, { files }), missing: new Set(files.values()) };
    } catch (error) {
      signal.throwIfAborted();
      log.debug('the texts of a job cannot be encoded ahead', { error });
      return undefined;
    }
  };

  const plan = async (record: JobRecord, bound: BoundGraph): Promise<Planned | undefined> => {
    const own = { graph: bound.graph, missing: new Set<string>() };
    const classes = [...new Set(Object.values(own.graph).map((node) => node.class_type))].sort();
    const catalogue = await abilities.catalogue(record.pool, classes);
    if (catalogue === undefined) return undefined;
    const isBeforeOther = instance.encodeAhead.samples && encodersOf(own, catalogue, 'sampler').length > 0;
    const runs = isBeforeOther ? 'sampler' : 'encoders';
    if (!isBeforeOther && !isPaying(record)) return undefined;
    if (encodersOf(own, catalogue, runs).every(isEncoded)) return undefined;
    const mayJoin = (other: JobAhead) =>
      instance.health.permits(subjectOf(other)) === 'yes' && (other.key === record.key || !leftOut.has(other.key));
    // A text takes about as long as another one; sampling another key's job may take far longer than this one.
    const alike = (await ledger.alike(record.id, MOST_JOBS - 1, mark, isBeforeOther)).filter(mayJoin);
    const jobs: JobToEncode[] = [own];
    const owners: Pick<JobAhead, 'id' | 'key'>[] = [record];
    const reading = joinSignals([signal], { ms: READ_MS });
    for (const other of alike) {
      const job = await bind(other, reading.signal);
      if (job === undefined) continue;
      jobs.push(job);
      owners.push(other);
    }
    reading.end();
    const planned = planEncodings(jobs, { catalogue, runs, isEncoded, mostNodes: instance.encodeAhead.mostNodes });
    if (planned === undefined) return undefined;
    const shares: Share[] = owners.map(({ id, key }, n) => ({ job: id, key, encoders: planned.shares[n] ?? 0 }));
    return { ...planned, runs, jobs, owners, shares: shares.filter(({ encoders }) => encoders > 0) };
  };

  const send = async (record: JobRecord, bound: BoundGraph): Promise<Hint | undefined> => {
    if (slots.hint.isThere) return undefined;
    const planned = await plan(record, bound);
    if (planned === undefined) return undefined;
    const hint = new Hint({
      ...options,
      record,
      shares: planned.shares,
      runs: planned.runs,
      bound: {
        version: '',
        graph: planned.graph,
        loaders: loadersIn(planned.graph, bound),
        times: new Map(),
        outputs: new Map(),
        names: new CallerNames({ prefix: '', files: new Map() }),
      },
    });
    live.add(hint);
    if (!(await hint.submit())) {
      live.delete(hint);
      return undefined;
    }
    remember(planned.graph);
    ahead.clear();
    for (const { job } of planned.shares) ahead.add(job);
    void followToEnd(hint, planned, record);
    return hint;
  };

  const followToEnd = async (hint: Hint, planned: Planned, record: JobRecord) => {
    const version = graphOf(record.request);
    try {
      const { outcome, error } = await hint.follow();
      if (outcome === 'succeeded' && planned.runs === 'encoders')
        instance.encodeAhead.hintTook(version, (hint.ms ?? 0) / hint.jobs);
      if (outcome === 'failed') failedAt(error?.nodeId, planned);
      const isDeath = outcome === 'lost' || outcome === 'wedged';
      if (isDeath || hint.isLate) leaveOutOthers(record.key, planned);
      deaths = isDeath ? deaths + 1 : outcome === 'succeeded' ? 0 : deaths;
      if (!isDeath || deaths < MOST_DEATHS) return;
      log.warn('texts are no longer encoded ahead here, because ComfyUI died or hung repeatedly while it did that', {
        instance: instance.name,
      });
    } catch (error) {
      if (!signal.aborted) log.warn('a hint was not followed to its end', { instance: instance.name, error });
    } finally {
      live.delete(hint);
    }
  };

  /** The next hint may have the other texts, but not the one at which this hint failed. */
  const failedAt = (nodeId: string | undefined, { graph, signatures, jobs, owners }: Planned) => {
    const all = signaturesOf(graph);
    for (const signature of all.values()) cached.delete(signature);
    const bad = all.get(nodeId ?? '') ?? '';
    use(failed, signatures.includes(bad) ? [bad] : signatures, MOST_REMEMBERED);
    const owner = owners[jobs.findIndex((job) => [...signaturesOf(job.graph).values()].includes(bad))];
    if (owner !== undefined) leftOut.set(owner.key, true);
  };

  /** Each text may be the one that took so long; this job's own jobs may still join its hints. */
  const leaveOutOthers = (key: string, { graph, owners }: Planned) => {
    for (const signature of signaturesOf(graph).values()) cached.delete(signature);
    for (const owner of owners) if (owner.key !== key) leftOut.set(owner.key, true);
  };

  /** Stops hints that an earlier process of this worker left, because their jobs may have moved on. */
  const removeLeft = async ({ running, pending }: PromptQueue) => {
    const isLeft = (id: string) => isHintId(id) && ![...live].some(({ promptId }) => promptId === id);
    const waiting = pending.filter(isLeft);
    if (waiting.length > 0) await instance.ask((client) => client.deleteQueued(waiting, signal));
    for (const id of running.filter(isLeft)) await instance.ask((client) => client.interrupt(id, signal));
  };

  const forget = () => {
    cached.clear();
    ahead.clear();
  };
  // ComfyUI may have been restarted, and then has encoded nothing.
  instance.events.on('disconnected', forget);
  instance.events.on('freed', forget);
  instance.events.on('queue', (queue) => {
    removeLeft(queue).catch((error: unknown) => log.debug('a left hint could not be removed', { error }));
  });
  return {
    before: async (record, bound) => {
      ahead.delete(record.id);
      const isOpen = instance.health.state === 'up' && !slots.drains && deaths < MOST_DEATHS;
      if (!(isPaying(record) || instance.encodeAhead.samples) || !isOpen || record.comfyKey !== null) return undefined;
      try {
        return await inTurn(() => send(record, bound));
      } catch (error) {
        log.warn('texts cannot be encoded ahead', { instance: instance.name, job: record.id, error });
        return undefined;
      } finally {
        ahead.delete(record.id);
        remember(bound.graph);
      }
    },
    get mark() {
      return ahead.size > 0 ? mark : undefined;
    },
  };
}

/** The loaders among the nodes of a hint that have the id of a node of the job; ids of other nodes are new. */
function loadersIn(graph: Graph, { loaders, graph: own }: BoundGraph): ReadonlyMap<string, Loader> {
  return new Map([...loaders].filter(([id]) => graph[id]?.class_type === own[id]?.class_type));
}

/** Moves them to the end, and drops the first ones beyond `most`. */
function use(known: Set<string>, signatures: Iterable<string>, most: number): void {
  for (const signature of signatures) {
    known.delete(signature);
    known.add(signature);
  }
  for (const first of known) {
    if (known.size <= most) return;
    known.delete(first);
  }
}
