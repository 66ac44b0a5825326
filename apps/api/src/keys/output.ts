/** What the command writes: results may be read by programs, the rest is for people. Each text is a line or more. */
export interface Output {
  result(text: string): void;
  say(text: string): void;
}
