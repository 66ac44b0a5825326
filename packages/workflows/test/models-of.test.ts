import { describe, expect, it } from 'vitest';
import { modelsOf } from '../src/index.js';
import { loadAs, templateOf } from './requests.js';

describe('modelsOf', () => {
  it.each([
    ['sdxl-lora', ['asked.safetensors', 'film_grain.safetensors', 'sd_xl_offset_example-lora_1.0.safetensors']],
    ['flux-dev', ['asked.safetensors', 't5xxl_fp16.safetensors', 'clip_l.safetensors', 'ae.safetensors']],
    ['controlnet', ['asked.safetensors', 'control_v11f1p_sd15_depth.pth']],
  ])(
    'names each file that %s loads, the checkpoint that was asked for in the place of its own',
    async (fixture, files) => {
      const workflows = await loadAs('text2img', fixture);
      const models = modelsOf(templateOf(workflows, 'text2img'), { checkpoint: 'asked.safetensors' });
      expect([...models].sort()).toEqual([...files].sort());
    },
  );
});
