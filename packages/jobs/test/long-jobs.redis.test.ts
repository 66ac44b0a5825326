import { newId } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import type { Claim } from '../src/index.js';
import { aFrame, openFleet } from './builders.js';

const SECOND = 1000;
const LENGTHS: Readonly<Record<string, number>> = { short: 2 * SECOND, long: 600 * SECOND };
const INSTANCES = ['w/0', 'w/1', 'w/2', 'w/3'];

interface Held {
  readonly claim: Claim;
  readonly key: string;
  beganAt?: number;
}

/** Instances with two slots each. Executions take no real time. */
async function openInstances() {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const slots = new Map<string, Held[]>(INSTANCES.map((name) => [name, []]));
  const started: { readonly key: string; readonly at: number }[] = [];
  let now = 0;
  const submit = (key: string) => fleet.submit({ id: newId(), key });
  const begin = async (name: string) => {
    const first = slots.get(name)?.[0];
    if (first === undefined || first.beganAt !== undefined) return;
    first.beganAt = now;
    const promptId = newId();
    await first.claim.submit(promptId, name);
    await first.claim.start(promptId);
    started.push({ key: first.key, at: now });
  };
  const fill = async (name: string) => {
    const held = slots.get(name) ?? [];
    while (held.length < 2) {
      const claim = await source.nextFor({ name, fit: () => 0 });
      if (claim === undefined || claim === 'left') return;
      held.push({ claim, key: claim.record.key });
      await begin(name);
    }
  };
  const endOf = ([first]: readonly Held[]) =>
    first?.beganAt === undefined ? Number.POSITIVE_INFINITY : first.beganAt + (LENGTHS[first.key] ?? 0);
  /** Charges the running jobs, as their workers do each second. */
  const charge = async () => {
    for (const [first] of slots.values()) {
      if (first?.beganAt === undefined) continue;
      await fleet.redis.hset(fleet.keys.job(first.claim.record.id), 'started_at', Date.now() - (now - first.beganAt));
      await first.claim.check();
    }
  };
  return {
    submit,
    started,
    fillAll: async () => {
      for (const name of INSTANCES) await fill(name);
    },
    /** Until that time, each key orders another job when one has ended. */
    runUntil: async (end: number) => {
      for (;;) {
        const [name, held] = [...slots].reduce((one, other) => (endOf(other[1]) < endOf(one[1]) ? other : one));
        if (endOf(held) > end) return;
        now = endOf(held);
        await charge();
        const { claim, key } = held.shift() as Held;
        await begin(name);
        await claim.finish({ status: 'succeeded', outputs: [aFrame(claim.record.id)], executedMs: LENGTHS[key] });
        await submit(key);
        await fill(name);
      }
    },
  };
}

it('keeps instances for a key with short jobs when a key with long ones comes', async () => {
  const { submit, started, fillAll, runUntil } = await openInstances();
  for (let n = 0; n < 16; n += 1) await submit('short');
  await fillAll();
  await runUntil(10 * SECOND);
  for (let n = 0; n < 16; n += 1) await submit('long');
  await runUntil(60 * SECOND);
  expect(started.some(({ key }) => key === 'long')).toBe(true);
  const late = started.filter(({ key, at }) => key === 'short' && at > 50 * SECOND);
  expect(late.length).toBeGreaterThanOrEqual(5);
});
