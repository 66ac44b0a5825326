import type { Workflow } from '@comfy-fleet/client';
import { describe, expect, it } from 'vitest';
import { fieldsOf, fill, labelOf } from '../../src/form/fields.js';

const PROPERTIES = {
  prompt: { type: 'string', 'x-multiline': true, default: 'a cliff' },
  negative_prompt: { type: 'string', 'x-multiline': true, default: '' },
  seed: { type: ['integer', 'string'], minimum: 0 },
  steps: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
  denoise: { type: 'number', minimum: 0, maximum: 1, default: 1 },
  sampler: { type: 'string', enum: ['euler', 'ddim'], default: 'euler' },
  ink: { type: 'number', minimum: 0, maximum: 1.5, default: 0.5 },
  tiled: { type: 'boolean', default: false },
  image: { type: 'string', contentMediaType: 'image/*' },
};

const workflow = (name: string): Pick<Workflow, 'name' | 'inputs' | 'found'> => ({
  name,
  inputs: { type: 'object', properties: PROPERTIES, required: ['image'] },
  found: [{ input: 'ink', rule: 'inputs_file', places: [] }],
});

describe('the fields of a workflow', () => {
  it('have a control for their type, in the order of the schema', () => {
    expect(fieldsOf(workflow('edit')).map(({ name, kind }) => [name, kind])).toEqual([
      ['prompt', 'prompt'],
      ['negative_prompt', 'prompt'],
      ['seed', 'seed'],
      ['steps', 'number'],
      ['denoise', 'number'],
      ['sampler', 'choice'],
      ['ink', 'number'],
      ['tiled', 'boolean'],
      ['image', 'file'],
    ]);
  });

  it('are advanced unless they are prompts, files, required, or exposed by the author', () => {
    const plain = fieldsOf(workflow('edit')).filter(({ isAdvanced }) => !isAdvanced);
    expect(plain.map(({ name }) => name)).toEqual(['prompt', 'ink', 'image']);
  });

  it('of text2img are those of POST /generate, which requires a prompt', () => {
    const fields = fieldsOf(workflow('text2img'));
    expect(fields.map(({ name }) => name)).not.toContain('denoise');
    expect(fields.find(({ name }) => name === 'prompt')?.isRequired).toBe(true);
  });

  it('have readable labels', () => {
    expect([labelOf('negative_prompt'), labelOf('clip.width')]).toEqual(['Negative prompt', 'Clip width']);
  });
});

describe('the contents of a form', () => {
  const fields = fieldsOf(workflow('edit'));
  const image = { from: 'job', job: 'x', index: 0, name: 'x_1.png', href: '' } as const;

  it('become inputs of the right types, without empty fields', () => {
    const filled = fill(fields, { prompt: 'a fox', steps: '8', denoise: '0.5', tiled: 'true', ink: ' ', image });
    expect(filled).toEqual({
      inputs: { prompt: 'a fox', steps: 8, denoise: 0.5, tiled: true },
      files: { image },
      faults: {},
    });
  });

  it('keep seeds beyond 2^53 exact', () => {
    expect(fill(fields, { seed: '18446744073709551615', image }).inputs).toEqual({ seed: '18446744073709551615' });
    expect(fill(fields, { seed: '7', image }).inputs).toEqual({ seed: 7 });
  });

  it('yield messages for missing values and invalid numbers', () => {
    expect(fill(fields, { steps: 'many' }).faults).toEqual({ image: 'Choose a file', steps: 'Not a number' });
  });
});
