/** A block of a guide that is to be pasted into a shell, and what the guide shows beneath it. */
export interface Step {
  /** Where it begins, counted from 1. */
  readonly line: number;
  readonly commands: string;
  /** The block of JSON or text that is shown beneath it, after a sentence at most. */
  readonly shown?: { readonly kind: 'json' | 'text'; readonly text: string };
}

const FENCE = /^```(\w*)$/;
/** What may stand between commands and their output: nothing, or a sentence that leads to it. */
const INTRODUCTION = /^([^#|]*:)?$/;

/** Every ```sh block of a page in Markdown, in order. */
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

/** Why an output is not what the guide shows; undefined when it is. */
export function differs({ shown }: Step, output: string): string | undefined {
  if (shown === undefined) return undefined;
  return shown.kind === 'text' ? textDiffers(shown.text, output) : jsonDiffers(JSON.parse(shown.text), output);
}

/** Each line that is shown is a line of the output, in this order; `…` stands for anything. */
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

/** Durations, times and the sizes of what is drawn differ from run to run. */
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
