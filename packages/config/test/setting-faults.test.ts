import { expect, it } from 'vitest';
import { settingFaults } from '../src/index.js';

it('finds nothing wrong with no settings at all', () => {
  expect(settingFaults({})).toEqual([]);
});

it('lists the faults of all services at once, each once', () => {
  const env = { HOST: '0.0.0.0', SIMULATOR_PORT: '-1', LOG_LEVEL: 'loud' };
  const faults = settingFaults(env);
  expect(faults.map((fault) => fault.split(/[:=]/)[0]).sort()).toEqual(['LOG_LEVEL', 'SIMULATOR_PORT']);
  expect(settingFaults({ HOST: '0.0.0.0' })).toEqual([expect.stringContaining('HOST=0.0.0.0: anybody who reaches')]);
});
