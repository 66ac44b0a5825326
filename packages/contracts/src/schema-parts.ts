import Type from 'typebox';

/** An object with a name, which it also has in the OpenAPI document and among the types of the clients. */
export const named = <T extends Type.TProperties>(title: string, fields: T, options: Type.TObjectOptions = {}) =>
  Type.Object(fields, { title, ...options });

/** Allows null as well. */
export const nullable = <T extends Type.TSchema>(schema: T, description?: string) =>
  Type.Union([schema, Type.Null()], description === undefined ? {} : { description });

/** A time in ISO 8601. */
export const time = (description?: string) =>
  Type.String({ format: 'date-time', ...(description === undefined ? {} : { description }) });

/** A time in ms since 1970 as such a text. */
export const isoTime = (ms: number) => new Date(ms).toISOString();
