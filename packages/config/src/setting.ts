import Type, { type Static, type TObject, type TSchema } from 'typebox';
import type { Environment } from './environment.js';
import { readSettings } from './read-settings.js';

/** A value that the operator sets with an environment variable. Its place in a schema is its place in the config. */
export class Setting<T> {
  readonly name: string;
  readonly schema: TSchema;
  /** Makes the value of the config from that of the schema; an optional one may be undefined. */
  readonly convert: (value: unknown) => T;

  constructor(name: string, schema: TSchema, convert: (value: unknown) => T) {
    this.name = name;
    this.schema = schema;
    this.convert = convert;
  }
}

export function setting<S extends TSchema>(name: string, schema: S): Setting<Static<S>>;
export function setting<S extends TSchema, T>(name: string, schema: S, convert: (value: Static<S>) => T): Setting<T>;
export function setting(name: string, schema: TSchema, convert = (value: unknown) => value): Setting<unknown> {
  return new Setting(name, schema, convert);
}

/** Undefined if the variable is not set. */
export function optional<S extends TSchema>(name: string, schema: S): Setting<Static<S> | undefined>;
export function optional<S extends TSchema, T>(
  name: string,
  schema: S,
  convert: (value: Static<S>) => T,
): Setting<T | undefined>;
export function optional(name: string, schema: TSchema, convert = (value: unknown) => value): Setting<unknown> {
  const orUndefined = (value: unknown) => (value === undefined ? undefined : convert(value));
  return new Setting(name, Type.Optional(schema), orUndefined);
}

/** Settings and constants, in the nesting of the config that is read from them. */
export interface ConfigSchema {
  readonly [name: string]: Setting<unknown> | ConfigSchema | string | number | readonly unknown[];
}

export type ConfigOf<S> =
  S extends Setting<infer T>
    ? T
    : S extends readonly unknown[] | string | number
      ? S
      : { readonly [K in keyof S]: ConfigOf<S[K]> };

/** The environment variables of a schema by their names, as JSON Schema. */
export function variablesOf(schema: ConfigSchema): TObject {
  return Type.Object(Object.fromEntries(settingsIn(schema).map(({ name, schema: own }) => [name, own])));
}

function settingsIn(schema: ConfigSchema): Setting<unknown>[] {
  return Object.values(schema).flatMap((part) =>
    part instanceof Setting ? [part] : isGroup(part) ? settingsIn(part) : [],
  );
}

/** Reads the variables of a schema. Throws one ConfigError with every fault. */
export function readConfig<S extends ConfigSchema>(schema: S, env: Environment): ConfigOf<S> {
  const values: Readonly<Record<string, unknown>> = readSettings(variablesOf(schema), env);
  const read = (group: ConfigSchema): object =>
    Object.fromEntries(
      Object.entries(group).map(([name, part]) => {
        if (part instanceof Setting) return [name, part.convert(values[part.name])];
        return [name, isGroup(part) ? read(part) : part];
      }),
    );
  return read(schema) as ConfigOf<S>;
}

function isGroup(part: unknown): part is ConfigSchema {
  return typeof part === 'object' && part !== null && !Array.isArray(part);
}
