import { expect, it, onTestFinished } from 'vitest';
import type { Asker } from '../src/index.js';
import { anAnnouncement, type Fleet, openFleet, POOL } from './builders.js';

/** Workers of one instance each, which can run jobs with these steps. */
async function openWorkers(fleet: Fleet, able: readonly (readonly number[])[]) {
  const workers = able.map(async (steps, n) => {
    const name = `w${n}`;
    const { presence, claims } = fleet.worker(name);
    await presence.takeName(AbortSignal.timeout(60_000));
    await presence.announce(anAnnouncement({ name }));
    const source = await claims(POOL);
    onTestFinished(() => source.close());
    const fit: Asker['fit'] = (_affinity, { request: { inputs } }) => (steps.includes(Number(inputs.steps)) ? 0 : -1);
    return {
      /** Waits until it is woken, and then looks for a job. */
      look: async () => {
        await source.untilWork();
        return source.nextFor({ name: `${name}/1`, fit });
      },
    };
  });
  return Promise.all(workers);
}

const isAnyWoken = async ({ redis, keys }: Fleet) => (await redis.exists(keys.marker(POOL))) === 1;
const submit = async (fleet: Fleet, steps: number) =>
  (await fleet.submit({ request: { steps, sampler: `for ${steps}` } })).record.id;

it('wakes each worker once for a job that none of them can run', async () => {
  const fleet = await openFleet();
  const workers = await openWorkers(fleet, [[], [], []]);
  await submit(fleet, 1);
  for (const { look } of workers) {
    expect(await isAnyWoken(fleet)).toBe(true);
    expect(await look()).toBe('left');
  }
  expect(await isAnyWoken(fleet)).toBe(false);
});

it('wakes a worker that can run a new job, after those that cannot', async () => {
  const fleet = await openFleet();
  const [unable, able] = await openWorkers(fleet, [[], [2]]);
  await submit(fleet, 1);
  for (const worker of [unable, able]) expect(await worker?.look()).toBe('left');
  const id = await submit(fleet, 2);
  expect(await unable?.look()).toBe('left');
  expect(await isAnyWoken(fleet)).toBe(true);
  const claim = await able?.look();
  expect(claim).toMatchObject({ record: { id } });
  if (typeof claim === 'object') claim.letGo();
});

it('wakes nobody again when a worker looks for another reason', async () => {
  const fleet = await openFleet();
  const [one, other] = await openWorkers(fleet, [[], []]);
  await submit(fleet, 1);
  for (const worker of [one, other, one]) expect(await worker?.look()).toBe('left');
  expect(await isAnyWoken(fleet)).toBe(false);
});
