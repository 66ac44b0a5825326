import { loadConfig } from './config.js';
import { ConfigError } from './config-error.js';
import type { Environment } from './environment.js';
import { requireKeys } from './require-keys.js';
import { loadSimulatorConfig } from './simulator.js';

/** Everything that is wrong with the settings of the services, for a check before any of them is started. */
export function settingFaults(env: Environment = process.env): string[] {
  const checkServices = () => {
    const { http, access } = loadConfig(env);
    requireKeys({ host: http.host, ...access });
  };
  const faults = [checkServices, () => loadSimulatorConfig(env)].flatMap(faultsOf);
  return [...new Set(faults)];
}

function faultsOf(check: () => void): readonly string[] {
  try {
    check();
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}
