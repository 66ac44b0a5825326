import { requireKeys } from './api-keys/open-api-keys.js';
import { loadConfig } from './config.js';
import { ConfigError, type Environment } from './environment.js';
import { loadSimulatorConfig } from './tool-settings.js';

/** All faults in the settings of the services and the simulator, for a check before any of them starts. */
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
