import type { JsonObject } from '../json/values.js';

/** A request that ComfyUI answers with 500 and a plain text: something it did not foresee raised. */
export class UnforeseenError extends Error {}

/** What Python raises while an input is looked at; it becomes part of the answer. */
export class PythonError extends Error {
  readonly type: string;
  /** Line of execution.py that raised. */
  readonly line: number;

  constructor(type: string, message: string, line: number) {
    super(message);
    this.type = type;
    this.line = line;
  }
}

export interface ErrorBody extends JsonObject {
  type: string;
  message: string;
  details: string;
  extra_info: JsonObject;
}

export function errorBody(type: string, message: string, details = '', extraInfo: JsonObject = {}): ErrorBody {
  return { type, message, details, extra_info: extraInfo };
}

/** A traceback's frames inside execution.py. Recordings leave the source lines out; there is no source here. */
export function traceback(lines: readonly number[]): string[] {
  return lines.map(
    (line) => `  File "<COMFYUI>/execution.py", line ${line}, in validate_inputs\n    <source line left out>\n`,
  );
}
