import { expect, it } from 'vitest';
import { restsAfterKills } from '../src/upkeep/rests-after-kills.js';

it("lets a key's jobs of a workflow rest until then, and no longer", () => {
  const kills = [{ key: 'mallory', workflow: 'thumb', rests: 1, until: 1000 }];
  expect(restsAfterKills(kills, 999)).toEqual([
    {
      scope: { key: 'mallory', workflow: 'thumb' },
      until: 1000,
      count: 1,
      code: 'instance_killed',
      error: expect.stringContaining('instances died'),
    },
  ]);
  expect(restsAfterKills(kills, 1000)).toEqual([]);
});
