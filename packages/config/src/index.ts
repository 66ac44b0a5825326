export { type ApiKeyFault, checkApiKeys } from './api-keys/check-api-keys.js';
export {
  type ApiKeys,
  type ApiKeysOptions,
  hashApiKey,
  openApiKeys,
  parseApiKeys,
  readKeysFileSetting,
  requireKeys,
} from './api-keys/open-api-keys.js';
export {
  type Config,
  type ConfigOverrides,
  type FramesSettings,
  type KeyLimits,
  loadConfig,
  overridesEnv,
  portsOf,
  settingsSchema,
} from './config.js';
export { AWS_SDK_NEEDS_NODE, ConfigError, type Environment, loadEnvFile, quietAwsSdk } from './environment.js';
export type { InstanceFolders, InstanceSettings } from './instances/parse-instances.js';
export { readInstances, readModelCredentials } from './instances/read-instances.js';
export type { ModelBucket, ModelCredential } from './model-credentials.js';
export { readAllowedNodes } from './read-allowed-nodes.js';
export { readSettings } from './read-settings.js';
export type { RedisNode, RedisSettings } from './redis-settings.js';
export { settingFaults } from './setting-faults.js';
export { commandEnvironment, misspeltSettings } from './setting-names.js';
export {
  type CallerSettings,
  callerSettings,
  loadSimulatorConfig,
  readTestSettings,
  simulatorSchema,
} from './tool-settings.js';
