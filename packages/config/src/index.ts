export { type Config, type KeyLimits, loadConfig } from './config.js';
export { ConfigError } from './config-error.js';
export { loadEnvFile } from './env-file.js';
export { type Environment, readSettings } from './read-settings.js';
export { settingsSchema } from './settings-schema.js';
export { loadSimulatorConfig, type SimulatorConfig, simulatorSchema } from './simulator.js';
export { readTestSettings } from './test-settings.js';
