import Type, { type Static } from 'typebox';

/** RFC 9457 problem details with our `code` and, for validation, one entry per fault. */
export const problemSchema = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  instance: Type.String(),
  code: Type.String(),
  errors: Type.Optional(Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }))),
});

export type Problem = Static<typeof problemSchema>;
