import { LODS, type Lod, MAX_PRIORITY } from '@comfy-fleet/contracts';

export interface ModelJob {
  readonly id: string;
  readonly key: string;
  readonly weight: number;
  readonly priority: number;
  readonly lod: Lod;
  readonly mostTaken: number | undefined;
}

interface Waiting extends ModelJob {
  readonly number: number;
  /** Later jobs of its key that were claimed, or taken away, before it. */
  overtakes: number;
}

interface Key {
  time: number;
  /** It has a waiting job, and was not found to have as many in workers' hands as it may. */
  takesTurns: boolean;
  readonly waiting: Waiting[];
  taken: number;
}

/** How lua/shared/learn.lua averages. */
const NEWEST = 0.3;
const UNKNOWN_MS = 10_000;

/** The order of service of one pool, as docs/architecture/scheduling.md tells it: plain, slow and obvious. */
export class SchedulingModel {
  readonly #keys = new Map<string, Key>();
  readonly #held = new Map<string, { readonly job: Waiting; readonly charged: number }>();
  readonly #resting: { readonly job: Waiting; readonly key: Key }[] = [];
  readonly #durations = new Map<Lod, number>();
  readonly #maxOvertakes: number;
  /** Keys that had nothing in work and owed nothing when they began to take turns, in the order of that. */
  readonly #newcomers: Key[] = [];
  #present = 0;
  #number = 0;
  #open = 0;

  constructor(maxOvertakes: number) {
    this.#maxOvertakes = maxOvertakes;
  }

  submit(job: ModelJob): void {
    const key = this.#keys.get(job.key) ?? { time: 0, takesTurns: false, waiting: [], taken: 0 };
    this.#keys.set(job.key, key);
    key.waiting.push({ ...job, number: ++this.#number, overtakes: 0 });
    this.#open += 1;
    this.#beginTurns(key);
  }

  /** The id of the job that is claimed next. */
  claim(): string | undefined {
    this.#returnRested();
    for (;;) {
      const key = this.#keyInTurn();
      if (key === undefined) return undefined;
      const job = this.#jobInTurn(key);
      if (job.mostTaken !== undefined && key.taken >= job.mostTaken) {
        this.#endTurns(key);
        continue;
      }
      this.#removeWaiting(key, job);
      this.#isNoNewcomer(key);
      this.#present = Math.max(this.#present, key.time);
      const charged = this.#durations.get(job.lod) ?? UNKNOWN_MS;
      advance(key, charged, job.weight);
      key.taken += 1;
      this.#held.set(job.id, { job, charged });
      return job.id;
    }
  }

  succeed(id: string, gpuMs: number): void {
    const { job } = this.#letGo(id, gpuMs);
    this.#end();
    const known = this.#durations.get(job.lod);
    this.#durations.set(job.lod, Math.trunc(known === undefined ? gpuMs : known + NEWEST * (gpuMs - known)));
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

  /** The first of the newcomers; else the least virtual time, then by name. */
  #keyInTurn(): Key | undefined {
    const [next] = [...this.#keys]
      .filter(([, { takesTurns }]) => takesTurns)
      .sort(([a, x], [b, y]) => x.time - y.time || (a < b ? -1 : 1));
    return this.#newcomers[0] ?? next?.[1];
  }

  #jobInTurn({ waiting }: Key): Waiting {
    const byAge = [...waiting].sort((a, b) => a.number - b.number);
    const oldest = byAge[0] as Waiting;
    if (oldest.overtakes >= this.#maxOvertakes) return oldest;
    return byAge.sort((a, b) => level(a) - level(b) || a.number - b.number)[0] as Waiting;
  }

  #removeWaiting(key: Key, job: Waiting): void {
    key.waiting.splice(key.waiting.indexOf(job), 1);
    for (const older of key.waiting) if (older.number < job.number) older.overtakes += 1;
    if (key.waiting.length === 0) this.#endTurns(key);
  }
}

function level({ priority, lod }: ModelJob): number {
  return (MAX_PRIORITY - priority) * LODS.length + LODS.indexOf(lod);
}

/** Steps are written with three decimals. */
function advance(key: Key, gpuMs: number, weight: number): void {
  key.time += Number((gpuMs / weight).toFixed(3));
}
