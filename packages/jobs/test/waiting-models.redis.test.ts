import { expect, it } from 'vitest';
import { nextClaim, openFleet, POOL } from './builders.js';

const text2img = { workflow: 'text2img', models: ['xl.safetensors'] };
const lora = { workflow: 'text2img', models: ['xl.safetensors', 'fox.safetensors'] };
const video = { workflow: 'video', models: ['xl.safetensors'] };

/** A pool with these waiting jobs. */
async function waiting(affinities: Readonly<Record<string, { readonly jobs: number; readonly as?: object }>>) {
  const { redis, keys, ledger } = await openFleet();
  await redis.sadd(keys.pools, 'p');
  const fields = Object.entries(affinities);
  if (fields.length > 0)
    await redis.hset(keys.affinities('p'), Object.fromEntries(fields.map(([need, { jobs }]) => [need, jobs])));
  const known = fields.flatMap(([need, { as }]) => (as === undefined ? [] : [[need, JSON.stringify(as)]]));
  if (known.length > 0) await redis.hset(keys.affinityModels('p'), Object.fromEntries(known));
  return (await ledger.fleet.details()).waitingModels[0];
}

it('returns the models for which jobs wait, the most wanted first, whatever sampler the jobs use', async () => {
  const affinities = {
    euler: { jobs: 2, as: text2img },
    lora: { jobs: 3, as: lora },
    dpmpp: { jobs: 2, as: text2img },
    video: { jobs: 1, as: video },
  };
  expect(await waiting(affinities)).toEqual([
    { ...text2img, jobs: 4 },
    { ...lora, jobs: 3 },
    { ...video, jobs: 1 },
  ]);
});

it('omits jobs that need no model, or whose models are unknown', async () => {
  expect(await waiting({ upscale: { jobs: 1, as: { workflow: 'upscale', models: [] } }, gone: { jobs: 2 } })).toEqual(
    [],
  );
  expect(await waiting({})).toEqual([]);
});

it('reads the 500 affinity keys with the most jobs', async () => {
  const few = Array.from({ length: 500 }, (_, n) => [`few ${n}`, { jobs: 1, as: lora }] as const);
  const found = await waiting(Object.fromEntries([...few, ['most', { jobs: 2, as: text2img }]]));
  expect(found).toEqual([
    { ...lora, jobs: 499 },
    { ...text2img, jobs: 2 },
  ]);
});

it('knows the models of an affinity key while jobs wait with it', async () => {
  const { redis, keys, submit, claims } = await openFleet();
  for (let n = 0; n < 2; n += 1) await submit({ models: ['xl.safetensors'] });
  const source = await claims();
  await nextClaim(source);
  expect(await redis.hvals(keys.affinityModels(POOL))).toEqual([JSON.stringify(text2img)]);
  await nextClaim(source);
  expect(await redis.exists(keys.affinityModels(POOL))).toBe(0);
});
