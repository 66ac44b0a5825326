import { newId } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { createSharedInputs } from '../src/workers/instance-files.js';
import { nextClaim, openFleet, succeeded } from './builders.js';

const FILE = `${'ab'.repeat(32)}.mp4`;

it('gives a file of a key the same name on all workers, and another one than the same file of another key', async () => {
  const fleet = await openFleet();
  // Both find no secret and create one.
  const [one, other] = await Promise.all(['w1', 'w2'].map((worker) => fleet.worker(worker).instanceNames()));
  const later = await fleet.worker('w3').instanceNames();
  const name = one?.input('anna', FILE);
  expect(name).toMatch(/^[0-9a-f]{64}\.mp4$/);
  expect(name).not.toBe(FILE);
  expect([other?.input('anna', FILE), later.input('anna', FILE)]).toEqual([name, name]);
  expect(one?.input('ben', FILE)).not.toBe(name);
});

it('names outputs by submission, differently in each fleet', async () => {
  const [here, there] = await Promise.all([openFleet(), openFleet()]);
  const [names, others] = await Promise.all([here, there].map((fleet) => fleet.worker('w').instanceNames()));
  const [first, second] = [newId(), newId()];
  const prefixes = [names?.outputPrefix(first), names?.outputPrefix(second), others?.outputPrefix(first)];
  expect(new Set(prefixes).size).toBe(3);
  for (const prefix of prefixes) expect(prefix).toMatch(/^[0-9a-f]{64}$/);
  expect(names?.outputPrefix(first)).toBe(prefixes[0]);
});

const PICTURE = 'ab'.repeat(32);

/** Two workers that share an input folder. */
async function twoWorkers() {
  const fleet = await openFleet();
  const [one, other] = [createSharedInputs(fleet.redis, fleet.keys), createSharedInputs(fleet.redis, fleet.keys)];
  const source = await fleet.claims();
  const begun = async () => {
    await fleet.submit();
    const claim = await nextClaim(source);
    expect(await one.use(PICTURE, claim.record.id)).toBe(true);
    return claim;
  };
  return { fleet, one, other, begun };
}

const nothing = async () => undefined;

it('keeps a picture until the last job that uses it has ended, and then allows its deletion', async () => {
  const { one, other, begun } = await twoWorkers();
  const [first, second] = [await begun(), await begun()];
  await first.finish(succeeded(first.record.id));
  expect(await other.deleteUnused(PICTURE, () => expect.fail('another job uses it'))).toBe(false);
  await second.finish(succeeded(second.record.id));
  expect(await one.deleteUnused(PICTURE, nothing)).toBe(true);
});

it('keeps the picture of a job that was given back, because its prompt may still wait in ComfyUI', async () => {
  const { other, begun } = await twoWorkers();
  await (await begun()).release(0);
  expect(await other.deleteUnused(PICTURE, () => expect.fail('an open job uses it'))).toBe(false);
});

it('lets no job start to use a picture during its deletion, and any job afterwards', async () => {
  const { fleet, one, other } = await twoWorkers();
  const { id } = (await fleet.submit()).record;
  const isDeleted = await one.deleteUnused(PICTURE, async () => {
    expect(await other.use(PICTURE, id)).toBe(false);
    expect(await other.deleteUnused(PICTURE, () => expect.fail('two at once'))).toBe(false);
  });
  expect(isDeleted).toBe(true);
  expect(await other.use(PICTURE, id)).toBe(true);
});

it('lets jobs use a picture again after its deletion failed', async () => {
  const { fleet, one } = await twoWorkers();
  const { id } = (await fleet.submit()).record;
  await expect(one.deleteUnused(PICTURE, () => Promise.reject(new Error('EIO')))).rejects.toThrow('EIO');
  expect(await one.use(PICTURE, id)).toBe(true);
});
