/** A block of shell commands in a guide, with the output that the guide shows. */
export interface Step {
  /** The line where the block begins, counted from 1. */
  readonly line: number;
  readonly commands: string;
  /** The JSON or text block below it, after at most one sentence. */
  readonly shown?: { readonly kind: 'json' | 'text'; readonly text: string };
}

const FENCE = /^```(\w*)$/;
/** The text between commands and their output: nothing, or an introductory sentence. */
const INTRODUCTION = /^([^#|]*:)?$/;

/** Every ```sh block of a Markdown page, in order. */
export function stepsOf(page: string): Step[] {
  let open: { kind: string; line: number; lines: string[] } | undefined;
  let between = '';
  const steps: Step[] = [];
  const close = (kind: string, line: number, text: string) => {
    const last = steps.at(-1);
    if (kind === 'sh') steps.push({ line, commands: text });
    else if ((kind === 'json' || kind === 'text') && last !== undefined && INTRODUCTION.test(between))
      steps[steps.length - 1] = { ...last, shown: { kind, text } };
    between = '';
  };
  for (const [index, line] of page.split('\n').entries()) {
    const fence = FENCE.exec(line);
    if (open === undefined && fence !== null) open = { kind: fence[1] ?? '', line: index + 1, lines: [] };
    else if (open !== undefined && fence !== null) {
      close(open.kind, open.line, open.lines.join('\n'));
      open = undefined;
    } else if (open !== undefined) open.lines.push(line);
    else between += line.trim();
  }
  return steps;
}

/** Describes how an output differs from the guide; undefined if it does not. */
export function differs({ shown }: Step, output: string): string | undefined {
  if (shown === undefined) return undefined;
  return shown.kind === 'text' ? textDiffers(shown.text, output) : jsonDiffers(JSON.parse(shown.text), output);
}

/** Each shown line must be in the output, in this order; `…` stands for any text. */
function textDiffers(shown: string, output: string): string | undefined {
  const lines = output.split(/\r?\n/);
  let from = 0;
  for (const wanted of shown.split('\n').filter((line) => line.trim() !== '')) {
    const at = lines.findIndex((line, index) => index >= from && isLike(wanted, line));
    if (at < 0) return `no line like: ${wanted}`;
    from = at + 1;
  }
  return undefined;
}

function jsonDiffers(shown: unknown, output: string): string | undefined {
  try {
    return valueDiffers(shown, JSON.parse(output), '');
  } catch {
    return 'it is not JSON';
  }
}

/** Durations, times and the sizes of pictures differ from run to run. */
const VARIES = /(_(ms|seconds|at)|\/bytes)$/;

function valueDiffers(shown: unknown, got: unknown, at: string): string | undefined {
  if (typeof shown === 'string' && typeof got === 'string')
    return isLike(shown, got) ? undefined : `${at} is ${got}, not ${shown}`;
  if (typeof shown !== 'object' || shown === null) {
    const alike = VARIES.test(at) ? typeof shown === typeof got : Object.is(shown, got);
    return alike ? undefined : `${at} is ${JSON.stringify(got)}, not ${JSON.stringify(shown)}`;
  }
  if (typeof got !== 'object' || got === null || Array.isArray(shown) !== Array.isArray(got))
    return `${at} is ${JSON.stringify(got)}`;
  const theirs = got as Record<string, unknown>;
  if (Array.isArray(shown) && shown.length !== (got as unknown[]).length) return `${at} has ${theirs.length} entries`;
  for (const [name, value] of Object.entries(shown)) {
    if (name === '…') continue;
    const fault = valueDiffers(value, theirs[name], `${at}/${name}`);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function isLike(pattern: string, text: string): boolean {
  const parts = pattern.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(text);
}
