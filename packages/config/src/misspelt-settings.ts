import { closest, distance } from 'fastest-levenshtein';
import { settingsSchema } from './config.js';
import type { Environment } from './environment.js';
import { simulatorSchema } from './simulator.js';

/** A name that differs in more characters from every setting belongs to another program. */
const MOST_DIFFERENCES = 2;
/** Shorter names resemble each other by chance, as HOME and HOST do. */
const LEAST_CHARS = 6;

/** The variables that are no settings but are named almost like one, each with the setting that was probably meant. */
export function misspeltSettings(env: Environment = process.env): string[] {
  const known = Object.keys({ ...settingsSchema.properties, ...simulatorSchema.properties });
  const isKnown = (name: string) => known.includes(name) || known.includes(name.replace(/_FILE$/, ''));
  return Object.keys(env)
    .filter((name) => name.length >= LEAST_CHARS && !isKnown(name))
    .map((name) => [name, closest(name, known)] as const)
    .filter(([name, nearest]) => distance(name, nearest) <= MOST_DIFFERENCES)
    .map(([name, nearest]) => `${name} is not a setting and has no effect; did you mean ${nearest}?`);
}
