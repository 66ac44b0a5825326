import { resolve } from 'node:path';
import type { Static, TObject, TSchema } from 'typebox';
import Type from 'typebox';
import type { Environment } from './environment.js';
import { readSettings } from './read-settings.js';

/** A value that the operator sets with an environment variable. Its place in a schema is its place in the config. */
export class Setting<T> {
  readonly name: string;
  readonly schema: TSchema;
  /** Converts the value of the schema to that of the config; the value of an optional setting may be undefined. */
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

/** A setting that is undefined if the variable is not set. */
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

/** Settings and constants, nested like the config that is read from them. */
export interface ConfigSchema {
  readonly [name: string]: Setting<unknown> | ConfigSchema | string | number | readonly unknown[];
}

export type ConfigOf<S> =
  S extends Setting<infer T>
    ? T
    : S extends readonly unknown[] | string | number
      ? S
      : { readonly [K in keyof S]: ConfigOf<S[K]> };

/** The environment variables of a schema by name, as JSON Schema. */
export function variablesOf(schema: ConfigSchema): TObject {
  return Type.Object(Object.fromEntries(settingsIn(schema).map(({ name, schema: own }) => [name, own])));
}

function settingsIn(schema: ConfigSchema): Setting<unknown>[] {
  return Object.values(schema).flatMap((part) =>
    part instanceof Setting ? [part] : isGroup(part) ? settingsIn(part) : [],
  );
}

/** Reads the variables of a schema. Throws one ConfigError with every error. */
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

export const integer = (name: string, value: number, minimum: number, description: string, maximum?: number) =>
  setting(name, Type.Integer({ default: value, minimum, description, ...(maximum === undefined ? {} : { maximum }) }));

export const text = (name: string, value: string, description: string, pattern?: string) =>
  setting(name, Type.String({ default: value, ...ofForm(description, pattern) }));

export const optionalText = (name: string, description: string, pattern?: string) =>
  optional(name, Type.String(ofForm(description, pattern)));

/** A comma-separated list; without a default it is empty if the variable is not set. */
export const listOf = (name: string, description: string, pattern?: string, value?: string) => {
  const form = { ...ofForm(description, pattern), ...(value === undefined ? {} : { default: value }) };
  return new Setting(name, Type.Optional(Type.String(form)), (given) => list(String(given ?? '')));
};

/** A comma-separated list of `one`s, or `none`: an empty variable counts as not set. */
export const choices = (name: string, value: string, one: string, description: string) =>
  mapped(listOf(name, `${description}, or none`, `^\\s*(none|${one}(\\s*,\\s*${one})*)\\s*$`, value), (given) =>
    given.filter((choice) => choice !== 'none'),
  );

/** A path, made absolute. */
export const path = (name: string, value: string, description: string) =>
  setting(name, Type.String({ default: value, description }), (given) => resolve(given));

export const optionalPath = (name: string, description: string) =>
  optional(name, Type.String({ description }), (given) => resolve(given));

export const onOff = (name: string, value: 'on' | 'off', description: string) =>
  setting(name, Type.Enum(['on', 'off'], { default: value, description }), (given) => given === 'on');

/** 1 or 0; 0 by default. */
export const flag = (name: string, description: string) =>
  setting(name, Type.Enum(['0', '1'], { default: '0', description }), (given) => given === '1');

/** The same setting with a converted value. */
export const mapped = <T, U>({ name, schema, convert }: Setting<T>, change: (value: T) => U) =>
  new Setting(name, schema, (given) => change(convert(given)));

export function list(given: string): readonly string[] {
  return given
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function ofForm(description: string, pattern: string | undefined) {
  return { description, ...(pattern === undefined ? {} : { pattern }) };
}

/** A list of hosts that may be called although they are not public. */
export const targets = (name: string, which: string) =>
  listOf(name, `Comma-separated hosts, host:port, addresses or CIDR blocks that ${which}`);

export function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
