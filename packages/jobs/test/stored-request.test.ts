import { pictureFile, pictureRequest } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { readRequest } from '../src/record/stored-request.js';

it('reads the request of a job that an earlier version made as one of its workflow', () => {
  const flat = {
    workflow: 'img2img',
    prompt: 'a lighthouse at dusk',
    negativePrompt: 'blurry',
    lod: 'sketch',
    steps: 8,
    cfg: 5,
    sampler: 'euler_ancestral',
    scheduler: 'normal',
    seed: '18446744073709551615',
    width: 512,
    height: 320,
    count: 1,
    checkpoint: 'sd_xl_base_1.0.safetensors',
    denoise: 0.5,
    priority: 1,
    metadata: { note: 'é' },
    overrides: ['steps'],
    input: { sha256: 'a'.repeat(64), width: 64, height: 64 },
  };
  expect(readRequest(JSON.stringify(flat))).toEqual(
    pictureRequest({
      workflow: 'img2img',
      seed: '18446744073709551615',
      denoise: 0.5,
      priority: 1,
      metadata: { note: 'é' },
      overrides: ['steps'],
      image: pictureFile('a'),
    }),
  );
});

it('reads a request as it was written', () => {
  const request = pictureRequest({ version: 'ab'.repeat(32), outputs: ['picture'] });
  expect(readRequest(JSON.stringify(request))).toEqual(request);
});
