import type { ResolvedRequest } from '@comfy-fleet/contracts';
import { affinityKeyOf, type JobRecord } from '@comfy-fleet/jobs';
import { expect, it } from 'vitest';
import { createFitting } from '../src/claiming/fitting.js';
import { aRequest, folderOnly, NOWHERE, quietLog, someSlots } from './held.js';

/** `told`: what was last published for each affinity key; `forget`: from then on, no workflow is in memory. */
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
  const workflows = await folderOnly();
  let isForgotten = false;
  const fitting = createFitting({
    fits,
    allSlots: [slots],
    workflows: { ...workflows, of: (request) => (isForgotten ? undefined : workflows.of(request)) },
    markOf: () => undefined,
    signal: new AbortController().signal,
    log: quietLog(),
  });
  const first = (request: ResolvedRequest) =>
    fitting.askerOf(instance).fit(affinityKeyOf(request), { id: '', request });
  const forget = () => {
    isForgotten = true;
  };
  return { slots, instance, told, fitting, first, forget };
}

const [a, b] = [aRequest({ checkpoint: 'a.safetensors' }), aRequest({ checkpoint: 'b.safetensors' })];

it('publishes what an instance would load when asked, and again when that has changed', async () => {
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

it('remembers thousands of affinity keys that the instance cannot run', async () => {
  const { instance, told, first } = await setUp();
  const abilities = { CheckpointLoaderSimple: { ckpt_name: ['a.safetensors'] } };
  await instance.learn(
    async () => ({ digest: '', abilities, classes: [], replacements: {} }),
    new AbortController().signal,
  );
  for (let n = 0; n < 2000; n += 1) expect(await first(aRequest({ checkpoint: `gone-${n}` }))).toBe(-1);
  expect(told.size).toBe(0);
});

it('has the instance asked again about a workflow that is no longer in memory when its abilities change', async () => {
  const { instance, told, fitting, first, forget } = await setUp();
  const learn = (files: readonly string[]) => {
    const abilities = { CheckpointLoaderSimple: { ckpt_name: files } };
    const catalogue = async () => ({ digest: '', abilities, classes: [], replacements: {} });
    return instance.learn(catalogue, new AbortController().signal);
  };
  await learn(['a.safetensors']);
  expect(await first(b)).toBe(-1);
  forget();
  await learn(['c.safetensors']);
  fitting.changed(instance);
  expect([...told]).toEqual([[affinityKeyOf(b), undefined]]);
});

it("withdraws that an instance holds a job's models when the job went elsewhere", async () => {
  const { instance, told, fitting, first } = await setUp();
  const load = await first(a);
  // When the job was claimed, the instance was recorded as holding the job's models.
  fitting.assigned(instance, { request: a, encoding: null });
  fitting.changed(instance);
  expect([...told]).toEqual([[affinityKeyOf(a), load]]);
});

it('says what the last job of the instance encodes', async () => {
  const { instance, fitting } = await setUp();
  expect(fitting.askerOf(instance).encoding).toBeUndefined();
  fitting.assigned(instance, { request: a, encoding: 'a fox' });
  expect(fitting.askerOf(instance).encoding).toBe('a fox');
  fitting.assigned(instance, { request: a, encoding: null });
  expect(fitting.askerOf(instance).encoding).toBeUndefined();
});

it('publishes nothing for an instance that takes no jobs', async () => {
  const { slots, instance, told, fitting, first } = await setUp();
  await first(a);
  instance.models.use(['a.safetensors']);
  fitting.changed(instance);
  await fitting.refresh();
  expect(told.size).toBe(1);
  slots.drains = true;
  await fitting.refresh();
  expect(told.size).toBe(0);
});

it('lists what the instance rests for: by affinity key, by that of all own graphs, or the whole key if a rest covers all its work', async () => {
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

it('refuses jobs of a key as long as too many of its jobs are collected there, and no jobs of other keys', async () => {
  const { slots, instance, fitting } = await setUp();
  const collecting = Array.from({ length: 16 }, (_, n) =>
    slots.take({ id: `${n}`, key: 'mallory', request: a } as JobRecord, () => {}),
  );
  for (const slot of collecting) slot.leaveGpu();
  expect([fitting.askerOf(instance).refusals, slots.isIdle]).toEqual([{ keys: ['mallory'], queues: [] }, true]);
  collecting[0]?.leave();
  expect(fitting.askerOf(instance).refusals).toBeUndefined();
});
