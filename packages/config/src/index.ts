export { type ApiKeyFault, checkApiKeys } from './api-keys/check-api-keys.js';
export { readKeysFileSetting } from './api-keys/keys-file-setting.js';
export { type ApiKeys, type ApiKeysOptions, hashApiKey, openApiKeys, parseApiKeys } from './api-keys/open-api-keys.js';
export { type CallerSettings, callerSettings } from './caller-settings.js';
export { commandEnvironment } from './command-environment.js';
export {
  type Config,
  type ConfigOverrides,
  type FramesSettings,
  type KeyLimits,
  loadConfig,
  overridesEnv,
  settingsSchema,
} from './config.js';
export { ConfigError } from './config-error.js';
export { loadEnvFile } from './env-file.js';
export type { Environment } from './environment.js';
export type { InstanceFolders, InstanceSettings } from './instances/parse-instances.js';
export { readInstances } from './instances/read-instances.js';
export { misspeltSettings } from './misspelt-settings.js';
export { portsOf } from './own-ports.js';
export { AWS_SDK_NEEDS_NODE, quietAwsSdk } from './quiet-aws-sdk.js';
export { readAllowedNodes } from './read-allowed-nodes.js';
export { readSettings } from './read-settings.js';
export type { RedisNode, RedisSettings } from './redis-settings.js';
export { requireKeys } from './require-keys.js';
export { settingFaults } from './setting-faults.js';
export { loadSimulatorConfig, simulatorSchema } from './simulator.js';
export { readTestSettings } from './test-settings.js';
export type { WarmUpSettings } from './warm-up.js';
