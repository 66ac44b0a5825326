import type { ResolvedRequest } from '@comfy-fleet/contracts';
import { affinityKeyOf } from '@comfy-fleet/jobs';
import { expect, it } from 'vitest';
import { createFitting } from '../src/claiming/fitting.js';
import { folderOnly } from './folder-only.js';
import { aRequest, NOWHERE, quietLog, someSlots } from './held.js';

/** What the scheduler was told of each affinity key, the last word. */
async function setUp() {
  const slots = someSlots(NOWHERE);
  const { instance } = slots;
  instance.health.reached();
  const told = new Map<string, number | undefined>();
  const fits = {
    publish: async (_name: string, news: ReadonlyMap<string, number | undefined>) => {
      for (const [need, ms] of news) told.set(need, ms);
    },
    forget: async () => told.clear(),
  };
  const fitting = createFitting({
    fits,
    allSlots: [slots],
    workflows: await folderOnly(),
    signal: new AbortController().signal,
    log: quietLog(),
  });
  const first = (request: ResolvedRequest) => fitting.askerOf(instance).fit(affinityKeyOf(request), request);
  return { slots, instance, told, fitting, first };
}

const [a, b] = [aRequest({ checkpoint: 'a.safetensors' }), aRequest({ checkpoint: 'b.safetensors' })];

it('says what an instance would load when it is asked, and again when that has changed', async () => {
  const { instance, told, fitting, first } = await setUp();
  const load = await first(a);
  expect(load).toBeGreaterThan(0);
  expect(await first(b)).toBe(load);
  instance.models.use(['a.safetensors']);
  fitting.changed(instance);
  expect([...told]).toEqual([[affinityKeyOf(a), 0]]);
  instance.models.use(['b.safetensors']);
  fitting.changed(instance);
  expect([...told]).toEqual([
    [affinityKeyOf(a), load],
    [affinityKeyOf(b), 0],
  ]);
});

it('keeps in mind of thousands of affinity keys that the instance cannot run them', async () => {
  const { instance, told, first } = await setUp();
  const abilities = { CheckpointLoaderSimple: { ckpt_name: ['a.safetensors'] } };
  await instance.learn(
    async () => ({ digest: '', abilities, classes: [], replacements: {} }),
    new AbortController().signal,
  );
  for (let n = 0; n < 2000; n += 1) expect(await first(aRequest({ checkpoint: `gone-${n}` }))).toBe(-1);
  expect(told.size).toBe(0);
});

it('takes back that an instance holds the models of a job that it was given, and that went elsewhere', async () => {
  const { instance, told, fitting, first } = await setUp();
  const load = await first(a);
  // The claim itself had the instance count as holding them.
  fitting.given(instance, a);
  fitting.changed(instance);
  expect([...told]).toEqual([[affinityKeyOf(a), load]]);
});

it('lets nobody reckon with what an instance holds that takes no jobs', async () => {
  const { slots, instance, told, fitting, first } = await setUp();
  await first(a);
  instance.models.use(['a.safetensors']);
  fitting.changed(instance);
  await fitting.sayAgain();
  expect(told.size).toBe(1);
  slots.drains = true;
  await fitting.sayAgain();
  expect(told.size).toBe(0);
});

it('refuses what the instance rests for: by affinity key, by that of all own graphs, and all of the key where a rest is for all its work', async () => {
  const { instance, fitting, first } = await setUp();
  await first(a);
  await first(b);
  expect(fitting.askerOf(instance).refusals).toBeUndefined();
  const fail = (key: string, workflow: string, scope?: { workflow: string }) => {
    const failure = { print: 'x', code: 'model_unreadable', error: 'corrupt', certain: true } as const;
    const subject = { job: `${key}-1`, key, workflow, checkpoint: 'a.safetensors' };
    instance.health.jobFailed(subject, { ...failure, ...(scope === undefined ? {} : { scope }) });
  };
  fail('anna', 'text2img');
  expect(fitting.askerOf(instance).refusals).toEqual({
    keys: [],
    queues: [{ key: 'anna', affinity: affinityKeyOf(a) }],
  });
  fail('mallory', 'graph', { workflow: 'graph' });
  expect(fitting.askerOf(instance).refusals).toMatchObject({
    keys: [],
    queues: expect.arrayContaining([{ key: 'mallory', affinity: 'graph-' }]),
  });
});
