import { describe, expect, it } from 'vitest';
import { crowdScenario, pairScenarios } from '../src/measure/scheduler/scenarios.js';
import { fifo, type Scheduler, type SimulatedJob, simulate } from '../src/measure/scheduler/simulation.js';

let made = 0;
const job = (key: string, gpuMs = 10): SimulatedJob => {
  return { id: `${key}${++made}`, key, lod: 'mid', priority: 0, gpuMs };
};

/** Serves in the order of arrival, and records all calls. */
function noting() {
  const inner = fifo();
  const said: string[] = [];
  const scheduler: Scheduler = {
    ...inner,
    claim: async () => {
      const id = await inner.claim();
      if (id !== undefined) said.push(`claim ${id}`);
      return id;
    },
    use: async () => undefined,
    end: async ({ id }) => {
      said.push(`end ${id}`);
    },
  };
  return { scheduler, said };
}

describe('simulated instances', () => {
  it('claim again when a job has ended, the shortest job first', async () => {
    const { scheduler, said } = noting();
    const [long, short, last] = [job('a', 30), job('a', 10), job('a', 10)];
    await simulate(scheduler, { instances: 2, jobs: [long, short, last], claims: 3 });
    expect(said).toEqual([`claim ${long.id}`, `claim ${short.id}`, `end ${short.id}`, `claim ${last.id}`]);
  });

  it('record how long each job ran while all keys had a backlog', async () => {
    const jobs = [job('a', 7), job('a', 5), job('b', 3), job('b', 2), job('a', 1)];
    const choices = await simulate(fifo(), { instances: 1, jobs, claims: 5 });
    expect(choices.map(({ contestedMs }) => contestedMs)).toEqual([7, 5, 3, 0, 0]);
  });

  it('get further jobs of a key only when all its jobs have ended', async () => {
    const asked: string[] = [];
    const jobs = [job('a'), job('b', 5), job('b', 5)];
    const following = (key: string) => {
      asked.push(key);
      return [job(key)];
    };
    const choices = await simulate(fifo(), { instances: 1, jobs, following, claims: 5 });
    expect(choices.map(({ job }) => job.key)).toEqual(['a', 'b', 'b', 'a', 'b']);
    expect(asked).toEqual(['a', 'b', 'a']);
  });

  it('throw an error if no job is left', async () => {
    await expect(simulate(fifo(), { instances: 2, jobs: [job('a')], claims: 2 })).rejects.toThrow('1 of 2 claims');
  });
});

describe('the scenarios', () => {
  it('keep a backlog of both keys even if only one is served', () => {
    const [levels, weights, lengths] = pairScenarios({ claims: 100, many: 1000 });
    for (const scenario of [levels, weights, lengths]) {
      const counts = ['a', 'b'].map((key) => scenario?.jobs.filter((job) => job.key === key).length ?? 0);
      expect(Math.min(...counts)).toBeGreaterThanOrEqual(100);
    }
  });

  it('have a key with jobs on all 20 levels', () => {
    const [levels] = pairScenarios({ claims: 100, many: 1000 });
    const ofA = levels?.jobs.filter(({ key }) => key === 'a') ?? [];
    expect(new Set(ofA.map(({ lod, priority }) => `${lod} ${priority}`)).size).toBe(20);
  });

  it('have at least the due share of jobs for each of many keys', () => {
    const { jobs, weights } = crowdScenario(10, 24_000);
    for (const key of weights.keys()) {
      const gpuMs = jobs.filter((job) => job.key === key).reduce((sum, job) => sum + job.gpuMs, 0);
      expect(gpuMs).toBeGreaterThan(30_000);
    }
  });
});
