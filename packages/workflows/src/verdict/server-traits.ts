import type { RaisedAt } from './judge-link.js';

/**
 * What makes a verdict exactly that of one ComfyUI, for the simulator. Without it a verdict is that of 0.33, but also
 * refuses what ComfyUI accepts and fails on later, and accepts what custom nodes may fill in.
 */
export interface ServerTraits {
  readonly version: '0.3.64' | '0.33.0';
  /** What ComfyUI calls the file that the input names; undefined: the input names none. */
  readonly fileKindOf: (className: string, input: string) => string | undefined;
  /** ComfyUI stores the converted value of each widget that it validates; a float is a `Float`. */
  readonly store: (node: string, input: string, value: unknown) => void;
  readonly traceback: (place: RaisedAt, isInner: boolean) => readonly string[];
  /** Called with the reason where ComfyUI itself fails and answers 500. */
  readonly crash: (reason: string) => never;
}
