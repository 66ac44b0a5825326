import { newId } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { openFleet } from './builders.js';

const FILE = `${'ab'.repeat(32)}.mp4`;

it('calls a file of a key the same on all workers, and otherwise than that of another key with the same content', async () => {
  const fleet = await openFleet();
  // Both find no secret and draw one.
  const [one, other] = await Promise.all(['w1', 'w2'].map((worker) => fleet.worker(worker).instanceNames()));
  const later = await fleet.worker('w3').instanceNames();
  const name = one?.input('anna', FILE);
  expect(name).toMatch(/^[0-9a-f]{64}\.mp4$/);
  expect(name).not.toBe(FILE);
  expect([other?.input('anna', FILE), later.input('anna', FILE)]).toEqual([name, name]);
  expect(one?.input('ben', FILE)).not.toBe(name);
});

it('names outputs by submission, in another way in each fleet', async () => {
  const [here, there] = await Promise.all([openFleet(), openFleet()]);
  const [names, others] = await Promise.all([here, there].map((fleet) => fleet.worker('w').instanceNames()));
  const [first, second] = [newId(), newId()];
  const prefixes = [names?.outputPrefix(first), names?.outputPrefix(second), others?.outputPrefix(first)];
  expect(new Set(prefixes).size).toBe(3);
  for (const prefix of prefixes) expect(prefix).toMatch(/^[0-9a-f]{64}$/);
  expect(names?.outputPrefix(first)).toBe(prefixes[0]);
});
