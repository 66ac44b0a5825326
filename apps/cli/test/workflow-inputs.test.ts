import { Fleet } from '@comfy-fleet/client';
import { describe, expect, it } from 'vitest';
import { readInputs } from '../src/callers/workflow-inputs.js';

const PROPERTIES = {
  prompt: { type: 'string' },
  steps: { type: 'integer' },
  tiled: { type: 'boolean' },
  seed: { type: ['integer', 'string'] },
  image: { type: 'string', contentMediaType: 'image/*' },
};
const answer = async () => Response.json({ name: 'flux', inputs: { type: 'object', properties: PROPERTIES } });
const fleet = new Fleet({ url: 'http://fleet', fetch: answer as typeof fetch });
const read = (inputs: Record<string, unknown>, files: Record<string, string> = {}) =>
  readInputs(fleet, 'flux', { inputs, files });

describe('the inputs of a workflow', () => {
  it('are of the types that the workflow says', async () => {
    const given = { prompt: '7', steps: '20', tiled: 'false', seed: '18446744073709551615' };
    const inputs = { prompt: '7', steps: 20, tiled: false, seed: '18446744073709551615' };
    expect(await read(given)).toEqual({ inputs, files: {} });
    expect(await read({ steps: 20 })).toEqual({ inputs: { steps: 20 }, files: {} });
    await expect(read({ steps: 'many' })).rejects.toThrow('steps is a number, not many');
    await expect(read({ tiled: 'maybe' })).rejects.toThrow('tiled is true or false, not maybe');
  });

  it('can be files, or say where a file is', async () => {
    expect(await read({}, { image: '@a.png' })).toEqual({ inputs: {}, files: { image: 'a.png' } });
    expect(await read({ image: 'a.png' })).toEqual({ inputs: {}, files: { image: 'a.png' } });
    expect(await read({ image: 'asset:0197' })).toEqual({ inputs: { image: 'asset:0197' }, files: {} });
  });

  it('are those that there are', async () => {
    await expect(read({ promt: 'a' })).rejects.toThrow(
      'flux has no input promt, did you mean "prompt"? There is prompt, steps, tiled',
    );
  });
});
