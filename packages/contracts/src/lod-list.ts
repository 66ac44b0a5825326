import Type, { type Static } from 'typebox';
import { LODS } from './parameters.js';

const lodProfileSchema = Type.Object({
  lod: Type.Enum([...LODS]),
  description: Type.String(),
  steps: Type.Integer(),
  cfg: Type.Number(),
  sampler: Type.String(),
  scheduler: Type.String(),
  scale: Type.Number({ description: "Factor for the template's width and height." }),
  denoise: Type.Number({ description: 'How much of an input picture is made anew; for img2img only.' }),
  deadline_seconds: Type.Integer({ description: 'An execution that takes longer is interrupted.' }),
  pool: Type.Optional(Type.String({ description: 'The pool that runs it, when it is not the default one.' })),
});

/** The levels of detail, the quickest first, as `GET /lods` answers them. */
export const lodListSchema = Type.Object({
  default: Type.Enum([...LODS], { description: 'Of a request that names none.' }),
  data: Type.Array(lodProfileSchema),
});

export type LodList = Static<typeof lodListSchema>;
