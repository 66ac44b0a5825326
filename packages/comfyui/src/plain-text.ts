const MAX_CHARS = 400;
const QUOTED_PATH = /(['"])(?:[A-Za-z]:)?[\\/](?:[^'"\\/]+[\\/])+([^'"\\/]*)\1/g;
const BARE_PATH = /(?<![\w:/.\\])(?:[A-Za-z]:)?[\\/](?:[^\s'"\\/]+[\\/])+([^\s'"\\/]*)/g;

/** Text of ComfyUI for a caller's eyes: on one line, bounded, and of absolute paths only the last part. */
export function plainText(text: string): string {
  return bounded(withoutPaths(text).replace(/\s+/g, ' ').trim());
}

/** The same with its lines as they are. */
export function plainLines(text: string): string {
  return bounded(withoutPaths(text));
}

function withoutPaths(text: string): string {
  return text.replace(QUOTED_PATH, '$1$2$1').replace(BARE_PATH, '$1');
}

function bounded(text: string): string {
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text;
}
