import Type from 'typebox';

/** Or null, where there is nothing to say. */
export const nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** A moment in ISO 8601. */
export const time = () => Type.String({ format: 'date-time' });
