import { expect, it } from 'vitest';
import { presentWaitingModels } from '../src/resources/fleet/fleet.js';
import { anInstance } from './announcements.js';

const waiting = { workflow: 'text2img', models: ['xl.safetensors', 'fox.safetensors'], jobs: 3, oldestAt: 8500 };

it('names the instances that hold all the models that jobs wait for', () => {
  const instances = [
    anInstance({ name: 'a/1', models: ['fox.safetensors', 'cat.safetensors', 'xl.safetensors'] }),
    anInstance({ name: 'a/2', models: ['xl.safetensors'] }),
    anInstance({ name: 'a/3' }),
  ];
  expect(presentWaitingModels([waiting], { instances, now: 10_000 })).toEqual([
    {
      workflow: 'text2img',
      models: ['xl.safetensors', 'fox.safetensors'],
      jobs: 3,
      oldest_wait_seconds: 1.5,
      held_by: ['a/1'],
    },
  ]);
});

it('lists the 50 sets of models that most jobs wait for', () => {
  const many = Array.from({ length: 60 }, (_, n) => ({ ...waiting, jobs: 60 - n }));
  expect(presentWaitingModels(many, { instances: [], now: 10_000 }).map(({ jobs }) => jobs)).toEqual(
    many.slice(0, 50).map(({ jobs }) => jobs),
  );
});

it('has no wait if the time of the oldest job is unknown', () => {
  const [shown] = presentWaitingModels([{ ...waiting, oldestAt: undefined }], { instances: [], now: 10_000 });
  expect(shown?.oldest_wait_seconds).toBeNull();
});
