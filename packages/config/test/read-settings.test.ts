import Type from 'typebox';
import { describe, expect, it } from 'vitest';
import { ConfigError, readSettings } from '../src/index.js';

const schema = Type.Object({
  NAME: Type.String({ minLength: 2 }),
  LOUD: Type.Boolean({ default: false }),
  TIMES: Type.Optional(Type.Integer()),
  RATE: Type.Optional(Type.Number({ minimum: 0 })),
});

describe('readSettings', () => {
  it('reads only what the schema names', () => {
    expect(readSettings(schema, { NAME: 'ab', LOUD: 'true', RATE: '1e3', PATH: '/bin' })).toEqual({
      NAME: 'ab',
      LOUD: true,
      RATE: 1000,
    });
  });

  it('uses defaults and leaves optional settings absent', () => {
    expect(readSettings(schema, { NAME: 'ab' })).toEqual({ NAME: 'ab', LOUD: false });
  });

  it('reports that a setting without a default is not set', () => {
    expect(() => readSettings(schema, { LOUD: 'perhaps' })).toThrow(ConfigError);
    expect(() => readSettings(schema, { LOUD: 'perhaps' })).toThrow(
      /NAME is not set\n {2}- LOUD=perhaps: must be boolean/,
    );
  });

  it('does not show an invalid secret', () => {
    const secret = Type.Object({
      SECRET: Type.String({ pattern: '^whsec_', writeOnly: true, description: 'whsec_…' }),
    });
    expect(() => readSettings(secret, { SECRET: 'nearly' })).toThrow(
      /SECRET: does not have the form it needs \(whsec_…\)/,
    );
    expect(() => readSettings(secret, { SECRET: 'nearly' })).not.toThrow(/nearly/);
  });

  it.each(['NaN', '1,5', '5 ms', '12px'])('takes %s for no number', (text) => {
    expect(() => readSettings(schema, { NAME: 'ab', RATE: text })).toThrow(`RATE=${text}: must be a number`);
    expect(() => readSettings(schema, { NAME: 'ab', TIMES: text })).toThrow(`TIMES=${text}: must be a whole number`);
  });

  it('refuses a fraction for a whole number with one error', () => {
    const whole = Type.Object({ TIMES: Type.Integer({ minimum: 5 }) });
    expect(() => readSettings(whole, { TIMES: '1.5' })).toThrow(/TIMES=1.5: must be a whole number$/);
  });

  it.each(['Infinity', '-Infinity', '1e999'])('refuses %s, which no limit and no Redis command takes', (text) => {
    const env = { NAME: 'ab', TIMES: text };
    expect(() => readSettings(schema, env)).toThrow(`TIMES=${text}: must be `);
  });
});
