import { resolve } from 'node:path';
import Type from 'typebox';
import { optional, Setting, setting } from './setting.js';

/** The kinds of settings that a schema is made of. */

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

/** A path, made absolute. */
export const path = (name: string, value: string, description: string) =>
  setting(name, Type.String({ default: value, description }), (given) => resolve(given));

export const optionalPath = (name: string, description: string) =>
  optional(name, Type.String({ description }), (given) => resolve(given));

export const onOff = (name: string, value: 'on' | 'off', description: string) =>
  setting(name, Type.Enum(['on', 'off'], { default: value, description }), (given) => given === 'on');

/** 1 or 0, which is the default. */
export const flag = (name: string, description: string) =>
  setting(name, Type.Enum(['0', '1'], { default: '0', description }), (given) => given === '1');

/** The same setting with another value in the config. */
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

/** A list of hosts that are called although they are not public. */
export const targets = (name: string, which: string) =>
  listOf(name, `Comma-separated hosts, host:port, addresses or CIDR blocks that ${which}`);

export function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
