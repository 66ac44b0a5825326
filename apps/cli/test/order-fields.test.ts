import { describe, expect, it } from 'vitest';
import { fieldsOf, fieldsOfRow } from '../src/callers/order-fields.js';

describe('the fields of an order', () => {
  it('are what the options say, as the API names and types them', () => {
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
    expect(() => fieldsOf('generate', { steps: 'many', metadata: {} })).toThrow('--steps is a number, not many');
  });

  it('are what the columns of a sheet say', () => {
    const row = { prompt: 'a red fox', steps: '8', 'metadata.shelf': 'low' };
    expect(fieldsOfRow('generate', row)).toEqual({ prompt: 'a red fox', steps: 8, metadata: { shelf: 'low' } });
    expect(() => fieldsOfRow('generate', { promt: 'a' })).toThrow(/no field promt .*prompt/);
    expect(() => fieldsOfRow('generate', { steps: 'x' })).toThrow('steps is a number, not x');
  });
});
