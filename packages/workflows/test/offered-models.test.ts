import { expect, it } from 'vitest';
import { type ChoosableModels, offeredAbilities, offeredCatalogue } from '../src/index.js';

const models: ChoosableModels = {
  hides: (kind, file) => file === 'secret.safetensors' && kind !== 'vae',
  adds: (kind) => (kind === 'loras' ? ['detail.safetensors', 'new.safetensors'] : []),
};
const LORAS = ['detail.safetensors', 'secret.safetensors'];
const inputs = (required: object) => ({ input: { required } });
const CATALOGUE = {
  LoraLoader: inputs({ lora_name: [LORAS, { default: 'secret.safetensors' }], model: ['MODEL', {}] }),
  'Power Lora Loader': inputs({ lora: ['COMBO', { options: ['None', ...LORAS], default: 'None' }] }),
  VAELoader: inputs({ vae_name: [['secret.safetensors'], {}] }),
  'Unknown Loader': inputs({ file: [['other.pth', 'secret.safetensors'], {}] }),
  KSampler: inputs({ sampler_name: [['euler'], {}] }),
};

it('leaves models out of a catalogue and adds others, also where custom nodes list the same folder', () => {
  const offered = offeredCatalogue(CATALOGUE, models);
  expect(offered).toEqual({
    ...CATALOGUE,
    LoraLoader: inputs({ lora_name: [['detail.safetensors', 'new.safetensors'], {}], model: ['MODEL', {}] }),
    'Power Lora Loader': inputs({
      lora: ['COMBO', { options: ['None', 'detail.safetensors', 'new.safetensors'], default: 'None' }],
    }),
    'Unknown Loader': inputs({ file: [['other.pth'], {}] }),
  });
  expect(offered.KSampler).toBe(CATALOGUE.KSampler);
});

it('does the same for the abilities of an instance', () => {
  const abilities = {
    LoraLoader: { lora_name: LORAS },
    'Power Lora Loader': { lora: ['None', ...LORAS] },
    VAELoader: { vae_name: ['secret.safetensors'] },
  };
  expect(offeredAbilities(abilities, models)).toEqual({
    LoraLoader: { lora_name: ['detail.safetensors', 'new.safetensors'] },
    'Power Lora Loader': { lora: ['None', 'detail.safetensors', 'new.safetensors'] },
    VAELoader: { vae_name: ['secret.safetensors'] },
  });
});
