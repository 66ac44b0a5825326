import Type, { type Static } from 'typebox';
import { FILE_KINDS } from './parameters.js';

/**
 * Inputs of a node class by name, where `*` stands for any characters: those that open a file, with the kind of file, and
 * as `link` those that take links although ComfyUI's /object_info does not list them.
 */
const inputsSchema = Type.Record(Type.String({ minLength: 1 }), Type.Enum([...FILE_KINDS, 'link']));

/** What ALLOWED_NODES_FILE holds: the node classes that API keys may use besides the reviewed ones. */
export const allowedNodesSchema = Type.Object(
  {
    classes: Type.Optional(Type.Record(Type.String({ minLength: 1 }), inputsSchema)),
    /** By the `python_module` that /object_info reports, or the beginning of it up to a dot. */
    packs: Type.Optional(Type.Record(Type.String({ minLength: 1 }), inputsSchema)),
  },
  { additionalProperties: false },
);

export type AllowedNodes = Static<typeof allowedNodesSchema>;
export type AllowedInputs = Static<typeof inputsSchema>;
