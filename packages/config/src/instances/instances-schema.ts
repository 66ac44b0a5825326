import { POOL_PATTERN } from '@comfy-fleet/contracts';
import Type, { type Static } from 'typebox';

/** A header's value is checked by `headerValue`, which says more than a schema could. */
const instanceSchema = Type.Object(
  {
    name: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' })),
    url: Type.String({ pattern: '^https?://[^\\s/?#@]+(/[^\\s?#]*)?$' }),
    headers: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    output_dir: Type.Optional(Type.String({ minLength: 1 })),
    input_dir: Type.Optional(Type.String({ minLength: 1 })),
    temp_dir: Type.Optional(Type.String({ minLength: 1 })),
    pools: Type.Optional(Type.Array(Type.String({ pattern: POOL_PATTERN }), { minItems: 1, uniqueItems: true })),
  },
  { additionalProperties: false },
);

/** What COMFYUI_INSTANCES_FILE holds. */
export const instancesFileSchema = Type.Object(
  { instances: Type.Array(instanceSchema, { minItems: 1 }) },
  { additionalProperties: false },
);

export type InstanceEntry = Static<typeof instanceSchema>;

/** What fields with a pattern have to be, for `faultRule`. */
export const INSTANCE_FORMS: Readonly<Record<string, string>> = {
  name: 'must have 1 to 64 characters, only A-Z a-z 0-9 . _ and -, and begin with a letter or a digit',
  url: 'must be an http:// or https:// address without user, password and query; what lets us in goes into headers',
  pools: 'may only have names of up to 32 characters, a-z 0-9 and -',
};
