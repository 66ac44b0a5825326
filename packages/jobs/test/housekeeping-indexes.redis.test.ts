import { newId } from '@comfy-fleet/contracts';
import { pictureFile } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import { JOB_TTL_SECONDS, nextClaim, openFleet, startNext, succeeded } from './builders.js';
import { openHousekeeper } from './housekeepers.js';

/** An id that is `ageMs` old. */
function idOfAge(ageMs: number): string {
  const time = (Date.now() - ageMs).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}${newId().slice('01234567-0123'.length)}`;
}

const LIFE_MS = JOB_TTL_SECONDS * 1000;

describe('pruneIndexes', () => {
  it('removes jobs whose record is gone from the indexes of every key, and no others', async () => {
    const fleet = await openFleet();
    const { redis, keys } = fleet;
    const gone: Record<string, string[]> = { a: [], b: [] };
    const stay: Record<string, string[]> = { a: [], b: [] };
    for (const key of ['a', 'b']) {
      for (let n = 0; n < 700; n++) {
        const id = idOfAge(LIFE_MS + 60_000 + n);
        // Some jobs wait or run for so long that they are older than ended records may be.
        if (n % 10 === 0) stay[key]?.push((await fleet.submit({ id, key })).record.id);
        else gone[key]?.push(id);
      }
      const parent = newId();
      const members = (gone[key] ?? []).flatMap((id, n) => {
        const workflow = n % 3 === 0 ? 'flux' : 'text2img';
        return [`all|${id}|${parent}|${workflow}`, `workflow|${workflow}|${id}`, `parent|${parent}|${id}`];
      });
      await redis.zadd(keys.jobsOf(key), ...members.flatMap((member) => [0, member]));
    }
    const keeper = openHousekeeper(fleet);
    expect(await keeper.pruneIndexes()).toBe(1260);
    for (const key of ['a', 'b']) {
      const left = stay[key]?.sort();
      const members = left?.flatMap((id) => [`all|${id}||text2img`, `workflow|text2img|${id}`]);
      expect(await redis.zrange(keys.jobsOf(key), '0', '-1')).toEqual(members?.sort());
    }
    expect(await keeper.pruneIndexes()).toBe(0);
  });

  it('prunes each entry once when two housekeepers do it at the same time', async () => {
    const fleet = await openFleet();
    const { redis, keys } = fleet;
    await fleet.submit({ key: 'a' });
    const ids = Array.from({ length: 1200 }, (_, n) => idOfAge(LIFE_MS + 60_000 + n));
    await redis.zadd(keys.jobsOf('a'), ...ids.flatMap((id) => [0, `all|${id}||text2img`]));
    const counts = await Promise.all([openHousekeeper(fleet).pruneIndexes(), openHousekeeper(fleet).pruneIndexes()]);
    expect(counts[0] + counts[1]).toBe(1200);
    expect(await redis.zcard(keys.jobsOf('a'))).toBe(2);
  });
});

it('retires no input from which a waiting, claimed or running job of any pool starts', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const startingFrom = (sha256: string) => ({
    kind: 'img2img' as const,
    request: { image: pictureFile(sha256) },
  });
  const shas = ['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(64)) as [string, ...string[]];
  const [ended, running, held, waiting, elsewhere] = shas as [string, string, string, string, string];
  const { id } = (await fleet.submit(startingFrom(ended))).record;
  await (await nextClaim(source)).finish(succeeded(id));
  await fleet.submit(startingFrom(running));
  await startNext(source);
  await fleet.submit(startingFrom(held));
  await nextClaim(source);
  await fleet.submit(startingFrom(waiting));
  await fleet.submit({ ...startingFrom(elsewhere), pool: 'big' });
  const keeper = openHousekeeper(fleet);
  const retired = await Promise.all(shas.map((digest) => keeper.retireInput(digest)));
  expect(retired).toEqual([true, false, false, false, false]);
});
