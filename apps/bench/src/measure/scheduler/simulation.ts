export interface SimulatedJob {
  readonly id: string;
  readonly key: string;
  readonly lod: 'sketch' | 'mid' | 'final' | 'direct_final';
  readonly priority: number;
  /** How long it occupies a GPU. */
  readonly gpuMs: number;
}

/** Decides which job runs next. */
export interface Scheduler {
  submit(jobs: readonly SimulatedJob[]): Promise<void>;
  /** The id of the next job for an instance; undefined if no job waits. */
  claim(): Promise<string | undefined>;
  /** Time passes while these jobs run. Workers report it once a second. */
  use(jobs: readonly SimulatedJob[], ms: number): Promise<void>;
  end(job: SimulatedJob): Promise<void>;
}

export interface Simulation {
  readonly instances: number;
  /** In the order of their arrival. */
  readonly jobs: readonly SimulatedJob[];
  /** The jobs that a key submits when all its jobs have ended. */
  readonly following?: (key: string) => readonly SimulatedJob[];
  /** The number of claims after which the simulation ends. */
  readonly claims: number;
}

/** A claimed job, and how long it ran while all keys had waiting jobs. */
export interface Choice {
  readonly job: SimulatedJob;
  contestedMs: number;
}

/**
 * Simulates GPUs with a simulated clock: each executes a job for its duration and then claims the next one. Hours of
 * GPU time take only as long as the decisions of the scheduler.
 */
export async function simulate(
  scheduler: Scheduler,
  { instances, jobs, following = () => [], claims }: Simulation,
): Promise<Choice[]> {
  const known = new Map<string, SimulatedJob>();
  const waiting = new Map<string, number>();
  const open = new Map<string, number>();
  const count = (counts: Map<string, number>, key: string, more: number) => {
    const sum = (counts.get(key) ?? 0) + more;
    counts.set(key, sum);
    return sum;
  };
  const submit = async (arrived: readonly SimulatedJob[]) => {
    for (const job of arrived) {
      known.set(job.id, job);
      for (const counts of [waiting, open]) count(counts, job.key, 1);
    }
    await scheduler.submit(arrived);
  };
  await submit(jobs);
  const choices: Choice[] = [];
  const running: { readonly choice: Choice; readonly endsAt: number }[] = [];
  let now = 0;
  while (choices.length < claims) {
    const id = running.length < instances ? await scheduler.claim() : undefined;
    const job = known.get(id ?? '');
    if (job !== undefined) {
      const choice = { job, contestedMs: 0 };
      choices.push(choice);
      count(waiting, job.key, -1);
      running.push({ choice, endsAt: now + job.gpuMs });
      running.sort((a, b) => a.endsAt - b.endsAt);
      continue;
    }
    const [first] = running;
    if (first === undefined) throw new Error(`no job was left after ${choices.length} of ${claims} claims`);
    const ms = first.endsAt - now;
    const isContested = [...waiting.values()].every((jobs) => jobs > 0);
    if (isContested) for (const { choice } of running) choice.contestedMs += ms;
    const jobs = running.map(({ choice }) => choice.job);
    await scheduler.use(jobs, ms);
    now = first.endsAt;
    running.shift();
    const { job: ended } = first.choice;
    await scheduler.end(ended);
    if (count(open, ended.key, -1) === 0) await submit(following(ended.key));
  }
  return choices;
}

/** The baseline: jobs run in the order of arrival. */
export function fifo(): Scheduler {
  const ids: string[] = [];
  let next = 0;
  return {
    submit: async (jobs) => {
      for (const { id } of jobs) ids.push(id);
    },
    claim: async () => (next < ids.length ? ids[next++] : undefined),
    use: async () => undefined,
    end: async () => undefined,
  };
}
