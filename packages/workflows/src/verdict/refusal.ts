/** Of one node or of the prompt, as ComfyUI's POST /prompt answers it. */
export interface ComfyError {
  readonly type: string;
  readonly message: string;
  readonly details: string;
  readonly extra_info: Readonly<Record<string, unknown>>;
}

export type NodeErrors = Readonly<
  Record<
    string,
    {
      readonly errors: readonly ComfyError[];
      readonly dependent_outputs: readonly string[];
      readonly class_type: string;
    }
  >
>;

export interface Refusal {
  readonly error: ComfyError;
  readonly node_errors: NodeErrors;
}

export function refused(
  type: string,
  message: string,
  details: string,
  extra_info: ComfyError['extra_info'] = {},
): Refusal {
  return { error: { type, message, details, extra_info }, node_errors: {} };
}
