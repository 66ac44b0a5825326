import { settingsSchema } from './config.js';
import type { Environment } from './environment.js';

/**
 * What a command that the operator configured is given of our own environment: everything but our settings, some of which are
 * secrets. So it finds PATH, HOME, DOCKER_HOST and the like.
 */
export function commandEnvironment(env: Environment = process.env): Record<string, string> {
  const isSetting = (name: string) => Object.hasOwn(settingsSchema.properties, name);
  const isOurs = (name: string) => isSetting(name) || isSetting(name.replace(/_FILE$/, ''));
  const kept = Object.entries(env).filter(([name, value]) => value !== undefined && !isOurs(name));
  return Object.fromEntries(kept) as Record<string, string>;
}
