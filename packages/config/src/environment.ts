import { existsSync } from 'node:fs';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The settings are wrong. Each of `faults` names a variable and what to write instead. */
export class ConfigError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(['The settings are wrong:', ...faults.map((fault) => `  - ${fault}`)].join('\n'));
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

/** Loads a `.env` file in the working folder, if there is one; variables that are already set win. */
export function loadEnvFile(path = '.env'): void {
  if (existsSync(path)) process.loadEnvFile(path);
}

/** Versions of the AWS SDK after January 2027 need this Node. Only the doctor reports that. */
export const AWS_SDK_NEEDS_NODE = 22;

/** Keeps the AWS SDK from warning on stderr that it will drop this version of Node. */
export function quietAwsSdk(): void {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
}
