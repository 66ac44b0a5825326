import type { Environment } from './environment.js';

/** What the environment tells a command that calls an API, which need not be one of these settings. */
export interface CallerSettings {
  readonly url: string | undefined;
  readonly key: string | undefined;
  /** Where an API with these settings is reached from this machine. */
  readonly localUrl: string;
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
    localUrl: `http://${reachable(env.HOST || '127.0.0.1')}:${env.PORT || 3000}`,
    profile: env.COMFY_FLEET_PROFILE || undefined,
    configHome: env.XDG_CONFIG_HOME || undefined,
    program: env.npm_lifecycle_event === 'cli' ? 'npm run cli --' : 'comfy-fleet',
    isMultiplexed: Boolean(env.TMUX || env.STY),
  };
}

/** An address that a server listens on, as the host of a URL. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  const name = host === '::' ? '::1' : host;
  return name.includes(':') ? `[${name}]` : name;
}
