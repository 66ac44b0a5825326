/** `x.png [output]`: a file of that folder of ComfyUI. */
const MARK = / \[(input|output|temp)\]$/;

/** A file's name and the folder of ComfyUI that it is said to be in. */
export interface ComfyuiName {
  /** With its subfolder. */
  readonly name: string;
  readonly folder: 'input' | 'output' | 'temp' | undefined;
}

export function splitName(text: string): ComfyuiName {
  const folder = MARK.exec(text)?.[1] as ComfyuiName['folder'];
  return { name: text.replace(MARK, ''), folder };
}
