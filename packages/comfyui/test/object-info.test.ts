import { expect, it } from 'vitest';
import { createComfyClient } from '../src/client.js';
import { readAbilities } from '../src/object-info.js';
import { answers, serve } from './support/local-server.js';

const described = (className: string, required: object) => ({
  body: JSON.stringify({ [className]: { input: { required } } }),
});
const CLASSES = {
  '/object_info/KSampler': described('KSampler', {
    steps: ['INT', {}],
    sampler_name: ['COMBO', { options: ['euler'] }],
  }),
  '/object_info/LoadImage': described('LoadImage', { image: [['a.png'], { image_upload: true }] }),
  '/object_info/ControlNetLoader': described('ControlNetLoader', { control_net_name: [['depth.pth'], {}] }),
  '/object_info/T2IAdapterLoader': { body: '{}' },
  '/object_info/Missing': { body: '{}' },
};
const TABLE = {
  T2IAdapterLoader: [
    { new_node_id: 'ControlNetLoader', input_mapping: [{ new_id: 'control_net_name', old_id: 't2i_adapter_name' }] },
  ],
};
const ASKED = ['KSampler', 'LoadImage', 'T2IAdapterLoader', 'Missing'];
const KNOWN = { KSampler: { sampler_name: ['euler'] }, LoadImage: {} };

async function abilitiesOf(byPath: Parameters<typeof answers>[0], asked = ASKED) {
  const { url } = await serve(answers(byPath));
  const client = createComfyClient({ baseUrl: url, instance: 'w/1', timeoutMs: 30_000 });
  return readAbilities(client, asked, new AbortController().signal).finally(() => client.close());
}

it('treats every ComfyUI that saves pictures as having SaveImageWebsocket', async () => {
  const save = { '/object_info/SaveImage': described('SaveImage', { images: ['IMAGE'] }) };
  const missing = { '/object_info/SaveImageWebsocket': { body: '{}' }, '/object_info/SaveImage': { body: '{}' } };
  const without = await abilitiesOf({ ...missing, '/node_replacements': { body: '{}' } }, ['SaveImageWebsocket']);
  expect(without).toEqual({});
  expect(await abilitiesOf({ ...missing, ...save }, ['SaveImageWebsocket'])).toEqual({ SaveImageWebsocket: {} });
});

it('asks for each class, and for the replacements of missing ones', async () => {
  const table = { '/node_replacements': { body: JSON.stringify(TABLE) } };
  expect(await abilitiesOf({ ...CLASSES, ...table })).toEqual({
    ...KNOWN,
    T2IAdapterLoader: { t2i_adapter_name: ['depth.pth'] },
  });
});

it('treats a ComfyUI without the table of replacements as having none', async () => {
  expect(await abilitiesOf(CLASSES)).toEqual(KNOWN);
});
