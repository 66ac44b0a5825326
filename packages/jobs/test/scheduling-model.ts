import type { Lod } from '@comfy-fleet/contracts';
import { type Ask, ChoiceModel, type Choosable, type Instances, type KeyInTurn } from './choice-model.js';

export interface ModelJob {
  readonly id: string;
  readonly key: string;
  readonly weight: number;
  readonly priority: number;
  readonly lod: Lod;
  readonly checkpoint: string;
  readonly mostTaken: number | undefined;
}

interface Waiting extends ModelJob, Choosable {
  /** Later jobs of its key that were claimed, or taken away, before it. */
  overtakes: number;
}

interface Key {
  time: number;
  /** It has a waiting job, and was not found to have as many in workers' hands as it may. */
  takesTurns: boolean;
  readonly waiting: Waiting[];
  taken: number;
  /** Jobs that were taken from among its waiting ones. */
  removed: number;
}

export interface ModelRules {
  readonly maxOvertakes: number;
  readonly patienceMs: number;
  readonly instances: Instances;
}

/** How lua/shared/learn.lua averages. */
const NEWEST = 0.3;
const UNKNOWN_MS = 10_000;

/** The order of service of one pool, as docs/architecture/scheduling.md tells it: plain, slow and obvious. */
export class SchedulingModel {
  readonly #keys = new Map<string, Key>();
  readonly #held = new Map<string, { readonly job: Waiting; readonly charged: number }>();
  readonly #resting: { readonly job: Waiting; readonly key: Key }[] = [];
  /** By lod, and by lod and checkpoint. */
  readonly #durations = new Map<string, number>();
  readonly #choice: ChoiceModel;
  /** Keys that had nothing in work and owed nothing when they began to take turns, in the order of that. */
  readonly #newcomers: Key[] = [];
  #present = 0;
  #number = 0;
  #open = 0;

  constructor({ maxOvertakes, patienceMs, instances }: ModelRules) {
    const rules = {
      maxOvertakes,
      patienceMs,
      expectedMs: (job: Choosable) => this.#expectedMs(job),
      allWaiting: () => [...this.#keys.values()].flatMap(({ waiting }) => waiting),
    };
    this.#choice = new ChoiceModel(rules, instances);
  }

  submit(job: ModelJob): void {
    const key = this.#keys.get(job.key) ?? { time: 0, takesTurns: false, waiting: [], taken: 0, removed: 0 };
    this.#keys.set(job.key, key);
    const before = key.removed + key.waiting.length;
    key.waiting.push({ ...job, number: ++this.#number, before, overtakes: 0 });
    this.#open += 1;
    this.#beginTurns(key);
  }

  /** The id of the job that the instance is given. */
  claim(ask: Ask): string | undefined {
    this.#returnRested();
    for (;;) {
      const chosen = this.#choice.choose(this.#keysInTurn(), ask);
      const key = chosen && this.#keys.get(chosen.key);
      const job = key?.waiting.find(({ id }) => id === chosen?.id);
      if (key === undefined || job === undefined) return undefined;
      if (job.mostTaken !== undefined && key.taken >= job.mostTaken) {
        this.#endTurns(key);
        continue;
      }
      this.#removeWaiting(key, job);
      this.#isNoNewcomer(key);
      this.#choice.given(job, ask);
      this.#present = Math.max(this.#present, key.time);
      const charged = this.#expectedMs(job);
      advance(key, charged, job.weight);
      key.taken += 1;
      this.#held.set(job.id, { job, charged });
      return job.id;
    }
  }

  succeed(id: string, gpuMs: number): void {
    const { job } = this.#letGo(id, gpuMs);
    this.#end();
    for (const kind of [like(job), job.lod]) {
      const known = this.#durations.get(kind);
      this.#durations.set(kind, Math.trunc(known === undefined ? gpuMs : known + NEWEST * (gpuMs - known)));
    }
  }

  /** It ends without having had a GPU. */
  fail(id: string): void {
    this.#letGo(id, 0);
    this.#end();
  }

  /** It goes back: when somebody asks for a job it is among those that wait. */
  release(id: string): void {
    this.#resting.push(this.#letGo(id, 0));
  }

  #returnRested(): void {
    for (const { job, key } of this.#resting.splice(0)) {
      for (const older of key.waiting) if (older.number < job.number) older.overtakes -= 1;
      key.waiting.push({ ...job, overtakes: 0 });
      key.removed -= 1;
      this.#beginTurns(key);
    }
  }

  cancelWaiting(id: string): void {
    const resting = this.#resting.findIndex(({ job }) => job.id === id);
    if (resting >= 0) {
      this.#resting.splice(resting, 1);
      this.#end();
      return;
    }
    for (const key of this.#keys.values()) {
      const job = key.waiting.find((one) => one.id === id);
      if (job === undefined) continue;
      this.#removeWaiting(key, job);
      this.#end();
    }
  }

  /** When the pool has nothing to do all keys begin anew. */
  #end(): void {
    this.#open -= 1;
    if (this.#open > 0) return;
    this.#keys.clear();
    this.#newcomers.length = 0;
    this.#present = 0;
    this.#choice.poolEmptied();
  }

  #expectedMs(job: Choosable): number {
    return this.#durations.get(like(job)) ?? this.#durations.get(job.lod) ?? UNKNOWN_MS;
  }

  /** The charge becomes `gpuMs`; then its key may take its turns again. */
  #letGo(id: string, gpuMs: number) {
    const held = this.#held.get(id);
    const key = held && this.#keys.get(held.job.key);
    if (held === undefined || key === undefined) throw new Error(`nobody holds ${id}`);
    this.#held.delete(id);
    key.taken -= 1;
    advance(key, gpuMs - held.charged, held.job.weight);
    if (key.waiting.length > 0) this.#beginTurns(key);
    return { job: held.job, key };
  }

  #beginTurns(key: Key): void {
    if (key.takesTurns) return;
    const following = Math.min(...[...this.#keys.values()].filter((one) => one.takesTurns).map(({ time }) => time));
    const present = Math.min(this.#present, following);
    if (key.time <= present && key.taken === 0) this.#newcomers.push(key);
    key.time = Math.max(key.time, present);
    key.takesTurns = true;
  }

  #endTurns(key: Key): void {
    key.takesTurns = false;
    this.#isNoNewcomer(key);
  }

  #isNoNewcomer(key: Key): void {
    const index = this.#newcomers.indexOf(key);
    if (index >= 0) this.#newcomers.splice(index, 1);
  }

  /** The newcomers; then by the least virtual time, then by name. */
  #keysInTurn(): KeyInTurn[] {
    const all = [...this.#keys].filter(([, { takesTurns }]) => takesTurns);
    const byTime = all.sort(([a, x], [b, y]) => x.time - y.time || (a < b ? -1 : 1));
    const place = ([, key]: [string, Key]) => {
      const index = this.#newcomers.indexOf(key);
      return index < 0 ? this.#newcomers.length : index;
    };
    return byTime
      .toSorted((a, b) => place(a) - place(b))
      .map(([name, { time, waiting, removed }], index) => {
        return { name, time, waiting, removed, isNewcomer: index < this.#newcomers.length };
      });
  }

  #removeWaiting(key: Key, job: Waiting): void {
    key.waiting.splice(key.waiting.indexOf(job), 1);
    key.removed += 1;
    for (const older of key.waiting) if (older.number < job.number) older.overtakes += 1;
    if (!key.waiting.some(({ checkpoint }) => checkpoint === job.checkpoint)) this.#choice.lineEnded(job);
    if (key.waiting.length === 0) this.#endTurns(key);
  }
}

/** Jobs that take alike: they differ in nothing else that decides it. */
function like({ lod, checkpoint }: Choosable): string {
  return `${lod} ${checkpoint}`;
}

/** Steps are written with three decimals. */
function advance(key: Key, gpuMs: number, weight: number): void {
  key.time += Number((gpuMs / weight).toFixed(3));
}
