import type { Environment } from './environment.js';

/** What the environment tells a command that calls an API, which need not be one of these settings. */
export interface CallerSettings {
  readonly url: string | undefined;
  readonly key: string | undefined;
  readonly profile: string | undefined;
  /** Where programs keep their configuration; undefined: `.config` in the home of the user. */
  readonly configHome: string | undefined;
  /** How a person calls the program again. */
  readonly program: string;
  /** tmux or screen stands between the program and the terminal. */
  readonly isMultiplexed: boolean;
}

/** Empty is as good as not set. */
export function callerSettings(env: Environment = process.env): CallerSettings {
  return {
    url: env.COMFY_FLEET_URL || undefined,
    key: env.COMFY_FLEET_KEY || undefined,
    profile: env.COMFY_FLEET_PROFILE || undefined,
    configHome: env.XDG_CONFIG_HOME || undefined,
    program: env.npm_lifecycle_event === 'cli' ? 'npm run cli --' : 'comfy-fleet',
    isMultiplexed: Boolean(env.TMUX || env.STY),
  };
}
