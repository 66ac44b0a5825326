import { closest, distance } from 'fastest-levenshtein';
import { settingsSchema } from './config.js';
import type { Environment } from './environment.js';
import { simulatorSchema } from './tool-settings.js';

/** A name with more differences from every setting belongs to another program. */
const MOST_DIFFERENCES = 2;
/** Shorter names resemble each other by chance, like HOME and HOST. */
const LEAST_CHARS = 6;

/**
 * Warnings about variables that are not settings but have almost the name of one, with the setting that was probably
 * meant.
 */
export function misspeltSettings(env: Environment = process.env): string[] {
  const known = Object.keys({ ...settingsSchema.properties, ...simulatorSchema.properties });
  const isKnown = (name: string) => known.includes(name) || known.includes(name.replace(/_FILE$/, ''));
  return Object.keys(env)
    .filter((name) => name.length >= LEAST_CHARS && !isKnown(name))
    .map((name) => [name, closest(name, known)] as const)
    .filter(([name, nearest]) => distance(name, nearest) <= MOST_DIFFERENCES)
    .map(([name, nearest]) => `${name} is not a setting and has no effect; did you mean ${nearest}?`);
}

/**
 * The environment of commands that the operator configured: ours without our settings, some of which are secrets. It
 * keeps PATH, HOME, DOCKER_HOST and the like.
 */
export function commandEnvironment(env: Environment = process.env): Record<string, string> {
  const isSetting = (name: string) => Object.hasOwn(settingsSchema.properties, name);
  const isOurs = (name: string) => isSetting(name) || isSetting(name.replace(/_FILE$/, ''));
  const kept = Object.entries(env).filter(([name, value]) => value !== undefined && !isOurs(name));
  return Object.fromEntries(kept) as Record<string, string>;
}
