import type { Lod } from '@comfy-fleet/contracts';
import { LUA_CONSTANTS } from '../src/lua/constants.js';
import { type Candidate, choose, levelOf, type Rules } from '../src/scheduling/choose.js';
import type { Demand, NearKey, NearQueue, NearSnapshot } from '../src/scheduling/snapshot.js';

export interface ModelJob {
  readonly id: string;
  readonly key: string;
  readonly weight: number;
  readonly mostTaken: number | undefined;
  readonly priority: number;
  readonly lod: Lod;
  /** Stands for everything that decides which instances can run it and what they load for it. */
  readonly checkpoint: string;
  /** What it encodes. */
  readonly encoding?: string | undefined;
}

/** What is known about the instances of the pool. */
export interface Instances {
  readonly names: readonly string[];
  /** How many ms it would load a checkpoint; -1 if it cannot run such jobs. */
  fit(instance: string, checkpoint: string): number;
}

export interface ModelRules extends Rules {
  readonly instances: Instances;
}

interface Waiting extends ModelJob {
  /** How many jobs of its key came before it. */
  readonly number: number;
}

interface Key {
  time: number;
  /** It has a waiting job and is not at its limit of jobs in work. */
  takesTurns: boolean;
  readonly waiting: Waiting[];
  taken: number;
  /** What its jobs in work count for. */
  ahead: number;
  arrived: number;
  removed: number;
}

/** The moving average of lua/shared/execution.lua. */
const NEWEST = 0.3;
const UNKNOWN_MS = 10_000;
const MOST_SAVED = 60_000;
export const CLAIM_MS = 50;
const { IN_WORK_MS, MOST_IN_WORK_MS } = LUA_CONSTANTS;

/** The state of one pool between two choices, in plain memory; the scripts keep it in Redis. */
export class SchedulingModel {
  readonly #keys = new Map<string, Key>();
  readonly #held = new Map<string, Waiting & { readonly ahead: number }>();
  readonly #resting: { readonly job: Waiting; readonly key: Key }[] = [];
  /** By lod, and by lod and checkpoint. */
  readonly #durations = new Map<string, number>();
  readonly #passedOver = new Map<string, number>();
  readonly #loaded = new Map<string, number>();
  readonly #rules: ModelRules;
  /** The greatest virtual time of a key that was served by each instance since it last got nothing, and by any. */
  readonly #presents = new Map<string, number>();
  /** By instance, then by key. */
  readonly #lifts = new Map<string, Map<string, number>>();
  #present = 0;
  #open = 0;

  constructor(rules: ModelRules) {
    this.#rules = rules;
  }

  submit(job: ModelJob): void {
    const key = this.#keys.get(job.key) ?? {
      time: 0,
      takesTurns: false,
      waiting: [],
      taken: 0,
      ahead: 0,
      arrived: 0,
      removed: 0,
    };
    this.#keys.set(job.key, key);
    key.waiting.push({ ...job, number: key.arrived++ });
    this.#open += 1;
    this.#beginTurns(key);
  }

  /** The job that the instance gets at that time; `encoding` is what its last prompt encoded. */
  claim(instance: string, now: number, encoding?: string): ModelJob | undefined {
    this.#returnRested();
    const choice = choose(this.snapshot(instance, now), { name: instance, encoding }, this.#rules);
    const passedOver = 'passedOver' in choice ? choice.passedOver : [];
    const taken = choice.kind === 'waiting' ? this.#take(choice.chosen, instance, now, passedOver) : undefined;
    for (const { name } of passedOver) {
      if (this.#hasQueue(name) && !this.#passedOver.has(name)) this.#passedOver.set(name, now);
    }
    if (taken === undefined) {
      this.#presents.delete(instance);
      this.#lifts.delete(instance);
    }
    return taken;
  }

  snapshot(instance: string, now: number): NearSnapshot {
    const taking = [...this.#keys].filter(([, { takesTurns }]) => takesTurns);
    const byTime = taking.sort(([a, x], [b, y]) => placeOf(x) - placeOf(y) || (a < b ? -1 : 1));
    return {
      now,
      paused: false,
      returned: [],
      keys: byTime.map(([name, key]) => this.#nearKey(name, key, instance)),
      next: undefined,
      isCut: false,
      loadedAt: this.#loaded.get(instance),
      returnsAt: undefined,
      demand: new Map(this.#allWaiting().map(({ checkpoint }) => [checkpoint, this.#demandOf(checkpoint, instance)])),
    };
  }

  waitingOf(name: string): readonly ModelJob[] {
    return this.#keys.get(name)?.waiting ?? [];
  }

  succeed(id: string, gpuMs: number): void {
    const { job } = this.#letGo(id, gpuMs);
    this.#end();
    for (const kind of [like(job), job.lod]) this.#learn(kind, gpuMs);
  }

  #learn(kind: string, ms: number, share = NEWEST): void {
    const known = this.#durations.get(kind);
    this.#durations.set(kind, Math.trunc(known === undefined ? ms : known + share * (ms - known)));
  }

  #learnOfKey(key: string, gpuMs: number): void {
    const ms = Math.min(gpuMs, MOST_IN_WORK_MS);
    const known = this.#durations.get(`key ${key}`) ?? ms;
    this.#learn(`key ${key}`, ms, NEWEST * Math.min(1, ms / known));
  }

  /** Ends the job without having used a GPU. */
  fail(id: string): void {
    this.#letGo(id, 0);
    this.#end();
  }

  /** Gives the job back: at the next claim, it is among the waiting jobs. */
  release(id: string): void {
    this.#resting.push(this.#letGo(id, 0));
  }

  cancelWaiting(id: string): void {
    const resting = this.#resting.findIndex(({ job }) => job.id === id);
    if (resting >= 0) this.#resting.splice(resting, 1);
    for (const key of this.#keys.values()) {
      const job = key.waiting.find((one) => one.id === id);
      if (job !== undefined) this.#removeWaiting(key, job);
    }
    this.#end();
  }

  #nearKey(name: string, key: Key, instance: string): NearKey {
    const { taken, removed, waiting } = key;
    const queues = new Map<string, Waiting[]>();
    for (const job of waiting.toSorted((a, b) => sequenceOf(a) - sequenceOf(b))) {
      queues.set(queueOf(job), [...(queues.get(queueOf(job)) ?? []), job]);
    }
    return {
      name,
      time: placeOf(key) + this.#liftOf(name, instance),
      removed,
      inWorkMs: this.#inWorkMs(name),
      inWork: taken,
      queues: [...queues].map(([queue, jobs]) => this.#nearQueue(queue, jobs, instance)),
    };
  }

  #demandOf(checkpoint: string, instance: string): Demand {
    const { instances } = this.#rules;
    return {
      holders: instances.names.filter((one) => one !== instance && instances.fit(one, checkpoint) === 0).length,
      waiting: this.#allWaiting().filter((job) => job.checkpoint === checkpoint).length,
      leftTo: [],
    };
  }

  #nearQueue(name: string, jobs: readonly Waiting[], instance: string): NearQueue {
    const { instances } = this.#rules;
    const checkpoint = jobs[0]?.checkpoint ?? '';
    return {
      name,
      affinity: checkpoint,
      jobs: jobs.map((job) => ({
        id: job.id,
        sequence: sequenceOf(job),
        expectedMs: this.#expectedMs(job),
        weight: job.weight,
        mostTaken: job.mostTaken ?? Number.POSITIVE_INFINITY,
        failedOn: [],
        wantedBy: undefined,
        encoding: job.encoding,
      })),
      loadMs: instances.fit(instance, checkpoint),
      passedOverAt: this.#passedOver.get(name),
    };
  }

  #take(
    { key: { name }, queue, job: { id }, loadMs }: Candidate,
    instance: string,
    now: number,
    passedOver: readonly NearQueue[],
  ): ModelJob {
    const key = this.#keys.get(name) as Key;
    const job = key.waiting.find((one) => one.id === id) as Waiting;
    this.#removeWaiting(key, job);
    if (!passedOver.includes(queue)) this.#passedOver.delete(queue.name);
    if (loadMs > 0) this.#loaded.set(instance, now);
    const place = key.time + this.#liftOf(name, instance);
    const least = this.#presents.size > 0 ? Math.min(...this.#presents.values()) : this.#present;
    const here = this.#presents.get(instance) ?? least;
    this.#presents.set(instance, Math.max(here, place));
    this.#present = Math.max(this.#present, key.time);
    const saved = MOST_SAVED + key.ahead;
    key.time = Math.max(key.time, least - saved);
    const lifts = this.#lifts.get(instance) ?? new Map<string, number>();
    this.#lifts.set(instance, lifts.set(name, Math.max(0, Math.max(place, here - saved) - key.time)));
    key.time += CLAIM_MS / job.weight;
    const ahead = this.#inWorkMs(name) / job.weight;
    key.ahead += ahead;
    key.taken += 1;
    if (key.taken >= (job.mostTaken ?? Number.POSITIVE_INFINITY)) key.takesTurns = false;
    this.#held.set(id, { ...job, ahead });
    return job;
  }

  #liftOf(key: string, instance: string): number {
    return this.#lifts.get(instance)?.get(key) ?? 0;
  }

  #returnRested(): void {
    for (const { job, key } of this.#resting.splice(0)) {
      key.waiting.push(job);
      key.removed -= 1;
      this.#beginTurns(key);
    }
  }

  /** When the pool has no jobs, all keys start again. */
  #end(): void {
    this.#open -= 1;
    if (this.#open > 0) return;
    this.#keys.clear();
    this.#loaded.clear();
    this.#presents.clear();
    this.#lifts.clear();
    this.#present = 0;
  }

  #inWorkMs(key: string): number {
    return Math.max(IN_WORK_MS, this.#durations.get(`key ${key}`) ?? MOST_IN_WORK_MS);
  }

  #expectedMs(job: ModelJob): number {
    return this.#durations.get(like(job)) ?? this.#durations.get(job.lod) ?? UNKNOWN_MS;
  }

  /** Charges what the job used, after which its key may be served again. */
  #letGo(id: string, gpuMs: number) {
    const job = this.#held.get(id);
    const key = job && this.#keys.get(job.key);
    if (job === undefined || key === undefined) throw new Error(`nobody holds ${id}`);
    this.#held.delete(id);
    key.taken -= 1;
    key.time += gpuMs / job.weight;
    key.ahead = key.taken === 0 ? 0 : key.ahead - job.ahead;
    if (gpuMs > 0) this.#learnOfKey(job.key, gpuMs);
    if (key.waiting.length > 0) this.#beginTurns(key);
    return { job, key };
  }

  #beginTurns(key: Key): void {
    const mostTaken = key.waiting[0]?.mostTaken ?? Number.POSITIVE_INFINITY;
    if (key.takesTurns || key.taken >= mostTaken) return;
    const places = [...this.#keys.values()].filter((one) => one.takesTurns).map(placeOf);
    key.time = Math.max(key.time, Math.min(this.#present, ...places));
    key.takesTurns = true;
  }

  #removeWaiting(key: Key, job: Waiting): void {
    key.waiting.splice(key.waiting.indexOf(job), 1);
    key.removed += 1;
    if (!this.#hasQueue(queueOf(job))) this.#passedOver.delete(queueOf(job));
    if (key.waiting.length === 0) key.takesTurns = false;
  }

  #hasQueue(name: string): boolean {
    return this.#allWaiting().some((job) => queueOf(job) === name);
  }

  #allWaiting(): Waiting[] {
    return [...this.#keys.values()].flatMap(({ waiting }) => waiting);
  }
}

function placeOf({ time, ahead }: Key): number {
  return time + ahead;
}

function sequenceOf(job: Waiting): number {
  return levelOf(job) * 1e12 + job.number;
}

function queueOf(job: Waiting): string {
  return `${levelOf(job)}|${job.checkpoint}|${job.key}`;
}

/** The signature: jobs with the same signature take about the same time. */
function like({ lod, checkpoint }: ModelJob): string {
  return `${lod} ${checkpoint}`;
}
