import type { NodeInput } from './node-inputs.js';

/** What is wrong with one node, in ComfyUI's terms. */
export interface Complaint {
  /** The input that it is about; undefined: the node as a whole. */
  readonly input: string | undefined;
  /** ComfyUI's: required_input_missing, value_not_in_list, value_smaller_than_min, return_type_mismatch, … */
  readonly type: string;
  readonly message: string;
  readonly details: string;
  /** ComfyUI's `extra_info`. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** The same for people, so that `<input> <detail>` is a sentence. */
  readonly detail: string;
}

/** About one input; `extra` is had beside its name. */
export function complaint(
  { name }: Pick<NodeInput, 'name'>,
  type: string,
  about: Omit<Complaint, 'input' | 'type'>,
): Complaint {
  return { ...about, input: name, type, extra: { input_name: name, ...about.extra } };
}
