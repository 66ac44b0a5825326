import { Fleet } from '@comfy-fleet/client';
import { describe, expect, it } from 'vitest';
import { fieldsOf, mergeFields, rowFields } from '../src/callers/request-fields.js';
import { readInputs } from '../src/callers/requests.js';

describe('the fields of a request', () => {
  it('come from the options, with the names and types of the API', () => {
    const options = { seed: '18446744073709551615', steps: '8', startWithinSeconds: '60', cfg: '6.5', metadata: {} };
    expect(fieldsOf('generate', options)).toEqual({
      seed: '18446744073709551615',
      steps: 8,
      cfg: 6.5,
      start_within_seconds: 60,
    });
    expect(fieldsOf('run', { ...options, metadata: { shelf: 'low' } })).toEqual({
      start_within_seconds: 60,
      metadata: { shelf: 'low' },
    });
    expect(() => fieldsOf('generate', { steps: 'many', metadata: {} })).toThrow('--steps must be a number, not many');
  });

  it('come from the columns of a sheet', async () => {
    const row = { prompt: 'a red fox', steps: '8', 'metadata.shelf': 'low' };
    expect(await rowFields('generate', row, 'csv')).toEqual({
      prompt: 'a red fox',
      steps: 8,
      metadata: { shelf: 'low' },
    });
    await expect(rowFields('generate', { promt: 'a' }, 'csv')).rejects.toThrow(
      /no field promt for a column, did you mean "prompt"\? Available: prompt, /,
    );
    await expect(rowFields('generate', { steps: 'x' }, 'csv')).rejects.toThrow('steps must be a number, not x');
    expect(await rowFields('img2img', { image: 'a.png' }, 'csv')).toEqual({ image: 'a.png' });
    expect(await rowFields('generate', { steps: 8, odd: true }, 'jsonl')).toEqual({ steps: 8, odd: true });
  });

  it('come from the row before the options, and metadata is merged', () => {
    const options = { steps: 8, lod: 'mid', metadata: { shelf: 'low', wall: 'north' } };
    expect(mergeFields<Record<string, unknown>>(options, { steps: 9, metadata: { shelf: 'high' } })).toEqual({
      steps: 9,
      lod: 'mid',
      metadata: { shelf: 'high', wall: 'north' },
    });
    expect(mergeFields<Record<string, unknown>>({}, { steps: 9 })).toEqual({ steps: 9 });
  });
});

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
  it("are converted to the workflow's types", async () => {
    const given = { prompt: '7', steps: '20', tiled: 'false', seed: '18446744073709551615' };
    const inputs = { prompt: '7', steps: 20, tiled: false, seed: '18446744073709551615' };
    expect(await read(given)).toEqual({ inputs, files: {} });
    expect(await read({ steps: 20 })).toEqual({ inputs: { steps: 20 }, files: {} });
    await expect(read({ steps: 'many' })).rejects.toThrow('steps must be a number, not many');
    await expect(read({ tiled: 'maybe' })).rejects.toThrow('tiled must be true or false, not maybe');
  });

  it('may be paths of files, or references to files elsewhere', async () => {
    expect(await read({}, { image: '@a.png' })).toEqual({ inputs: {}, files: { image: 'a.png' } });
    expect(await read({ image: 'a.png' })).toEqual({ inputs: {}, files: { image: 'a.png' } });
    expect(await read({ image: 'asset:0197' })).toEqual({ inputs: { image: 'asset:0197' }, files: {} });
  });

  it('must be known to the workflow', async () => {
    await expect(read({ promt: 'a' })).rejects.toThrow(
      'flux has no input promt, did you mean "prompt"? Available: prompt, steps, tiled',
    );
  });
});
