import Type from 'typebox';

/** Allows null as well. */
export const nullable = <T extends Type.TSchema>(schema: T, description?: string) =>
  Type.Union([schema, Type.Null()], description === undefined ? {} : { description });

/** A time in ISO 8601. */
export const time = (description?: string) =>
  Type.String({ format: 'date-time', ...(description === undefined ? {} : { description }) });

/** A time in ms since 1970 as such a text. */
export const isoTime = (ms: number) => new Date(ms).toISOString();
