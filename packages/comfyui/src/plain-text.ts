const MAX_CHARS = 400;
const QUOTED_PATH = /(['"])(?:[A-Za-z]:)?[\\/](?:[^'"\\/]+[\\/])+([^'"\\/]*)\1/g;
const BARE_PATH = /(?<![\w:/.\\])(?:[A-Za-z]:)?[\\/](?:[^\s'"\\/]+[\\/])+([^\s'"\\/]*)/g;

/** Text of ComfyUI for a caller's eyes: on one line, bounded, and of absolute paths only the last part. */
export function plainText(text: string): string {
  const line = text.replace(QUOTED_PATH, '$1$2$1').replace(BARE_PATH, '$1').replace(/\s+/g, ' ').trim();
  return line.length > MAX_CHARS ? `${line.slice(0, MAX_CHARS)}…` : line;
}
