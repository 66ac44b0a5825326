import { expect, it } from 'vitest';
import { createSharedInputs } from '../src/workers/instance-files.js';
import { nextClaim, openFleet, succeeded } from './builders.js';

const PICTURE = 'ab'.repeat(32);

/** Two workers that share an input folder, and whether the picture is there. */
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

it('keeps a picture until the last job that uses it has ended, and then lets it be deleted', async () => {
  const { one, other, begun } = await twoWorkers();
  const [first, second] = [await begun(), await begun()];
  await first.finish(succeeded(first.record.id));
  expect(await other.deleteUnused(PICTURE, () => expect.fail('another job uses it'))).toBe(false);
  await second.finish(succeeded(second.record.id));
  expect(await one.deleteUnused(PICTURE, nothing)).toBe(true);
});

it('keeps the picture of a job that was given back: its prompt may still wait in the ComfyUI', async () => {
  const { other, begun } = await twoWorkers();
  await (await begun()).release(0);
  expect(await other.deleteUnused(PICTURE, () => expect.fail('an open job uses it'))).toBe(false);
});

it('lets no job begin to use a picture while it is being deleted, and each of them after that', async () => {
  const { fleet, one, other } = await twoWorkers();
  const { id } = (await fleet.submit()).record;
  const isDeleted = await one.deleteUnused(PICTURE, async () => {
    expect(await other.use(PICTURE, id)).toBe(false);
    expect(await other.deleteUnused(PICTURE, () => expect.fail('two at once'))).toBe(false);
  });
  expect(isDeleted).toBe(true);
  expect(await other.use(PICTURE, id)).toBe(true);
});

it('lets jobs use a picture again when deleting it failed', async () => {
  const { fleet, one } = await twoWorkers();
  const { id } = (await fleet.submit()).record;
  await expect(one.deleteUnused(PICTURE, () => Promise.reject(new Error('EIO')))).rejects.toThrow('EIO');
  expect(await one.use(PICTURE, id)).toBe(true);
});
