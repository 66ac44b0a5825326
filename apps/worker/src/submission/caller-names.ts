import type { OutputFile } from '@comfy-fleet/comfyui';
import { FleetError } from '@comfy-fleet/contracts';
import { type Edit, plainName } from '@comfy-fleet/frames';
import { ascii, type Graph, showJson } from '@comfy-fleet/workflows';

interface Names {
  /** The prefix of all files that the submission writes. */
  readonly prefix: string;
  /** The caller's names for input files, by their names on the instance. */
  readonly files: ReadonlyMap<string, string>;
  /** The caller's graph with its resolved values; undefined if it is not known. */
  readonly graph?: Graph;
}

/** The default prefixes of ComfyUI's nodes that save and that show. */
const USUAL_PREFIX = 'ComfyUI';
const USUAL_TEMPORARY_PREFIX = 'ComfyUI_temp';

/** The longest graph that is looked for in a file, in characters. In longer ones our names are still masked. */
const MOST_GRAPH_CHARS = 16 * 1024 * 1024;
/** A name or the beginning of a graph may continue in the next piece of a file. */
const OVERLAP_CHARS = 512;

/**
 * Replaces names on the instance by the caller's names. The names there must stay secret, because a graph with the name
 * of a file can make ComfyUI open it.
 */
export class CallerNames {
  readonly #names: Names;
  readonly #ours: RegExp;
  /** Finds graphs that ComfyUI wrote, plain or inside a JSON string. */
  readonly #graphStart: RegExp | undefined;

  constructor(names: Names) {
    this.#names = names;
    const files = [...names.files.keys()].map((name) => name.replaceAll('.', '\\.'));
    this.#ours = new RegExp([`${names.prefix}(?:-\\d+)?`, ...files].join('|'), 'g');
    // ComfyUI keeps the order of the nodes.
    const [first] = Object.keys(names.graph ?? {});
    const key = first === undefined ? '' : ascii(JSON.stringify(first).slice(1, -1)).replace(/[^\w]/g, '\\$&');
    this.#graphStart = first === undefined ? undefined : new RegExp(`\\{\\s*(\\\\?)"${key}\\1"\\s*:\\s*\\{`, 'g');
  }

  get prefix(): string {
    return this.#names.prefix;
  }

  inText(text: string): string {
    return text.replace(this.#ours, (name) => this.#names.files.get(name) ?? USUAL_PREFIX);
  }

  inError(error: unknown): unknown {
    // Subclasses are errors of the connection and contain no names of files.
    if (!(error instanceof FleetError) || error.constructor !== FleetError) return error;
    const { code, detail, errors, nodeId, exception, retryAfterSeconds, cause } = error;
    const said = exception && {
      ...exception,
      message: this.inText(exception.message),
      traceback: exception.traceback.map((line) => this.inText(line)),
    };
    return new FleetError(code, this.inText(detail), {
      errors: errors.map((one) => ({ ...one, detail: this.inText(one.detail) })),
      ...(nodeId === undefined ? {} : { nodeId }),
      ...(said === undefined ? {} : { exception: said }),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      cause,
    });
  }

  /** The name that the file would have if ComfyUI had been given the caller's graph. */
  ofFile({ nodeId, filename }: Pick<OutputFile, 'nodeId' | 'filename'>): string {
    const { prefix, graph } = this.#names;
    if (!filename.startsWith(prefix)) return plainName(this.inText(filename));
    const { class_type, inputs = {} } = graph?.[nodeId] ?? {};
    const own = class_type?.startsWith('SaveLoRA') ? inputs.prefix : inputs.filename_prefix;
    const usual = class_type?.startsWith('Preview') ? USUAL_TEMPORARY_PREFIX : USUAL_PREFIX;
    const begin = typeof own === 'string' && own !== '' ? own : usual;
    return plainName(begin + filename.slice(prefix.length).replace(/^-\d+/, ''));
  }

  /** Edits files: replaces our graph by the caller's and masks the rest of our names. */
  readonly edit: Edit = (data, isLast) => {
    const text = data.toString('latin1');
    let at = 0;
    let done = '';
    for (let start = this.#nextGraph(text, 0); start !== undefined; start = this.#nextGraph(text, at)) {
      const end = start.isInText ? endOfString(text, start.at) : endOfObject(text, start.at);
      const isToCome = end === undefined && !isLast && text.length - start.at < MOST_GRAPH_CHARS;
      // A file may contain millions of beginnings like that of a graph, so the search ends here.
      if (end === undefined && !isToCome) break;
      done += this.#masked(text.slice(at, start.at));
      at = start.at;
      if (end === undefined) return { done: Buffer.from(done, 'latin1'), rest: data.subarray(at) };
      done += this.#replaced(text.slice(at, end), start.isInText);
      at = end;
    }
    const rest = this.#masked(text.slice(at));
    const kept = isLast ? 0 : Math.min(rest.length, OVERLAP_CHARS);
    done += rest.slice(0, rest.length - kept);
    return { done: Buffer.from(done, 'latin1'), rest: Buffer.from(rest.slice(rest.length - kept), 'latin1') };
  };

  #nextGraph(text: string, from: number): { readonly at: number; readonly isInText: boolean } | undefined {
    const pattern = this.#graphStart;
    if (pattern === undefined) return undefined;
    pattern.lastIndex = from;
    const found = pattern.exec(text);
    return found === null ? undefined : { at: found.index, isInText: found[1] !== '' };
  }

  /**
   * Keeps the length, because the file records it elsewhere. ComfyUI's JSON has more spaces than ours, so ours fits.
   */
  #replaced(ours: string, isInText: boolean): string {
    if (!ours.includes(this.#names.prefix)) return this.#masked(ours);
    const plain = ascii(showJson(this.#names.graph));
    const graph = isInText ? JSON.stringify(plain).slice(1, -1) : plain;
    return graph.length > ours.length ? this.#masked(ours) : graph.padEnd(ours.length);
  }

  #masked(text: string): string {
    return text.replace(this.#ours, (name) => '_'.repeat(name.length));
  }
}

/** The end of the object that begins at `start`; undefined when the text ends before. */
function endOfObject(text: string, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (char === '{') depth += 1;
    else if (char === '}') {
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (char === '"') {
      const end = endOfString(text, at + 1);
      if (end === undefined) return undefined;
      at = end;
    }
  }
  return undefined;
}

/** The position of the quotation mark that ends the string around `from`; undefined when the text ends before. */
function endOfString(text: string, from: number): number | undefined {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '"') return at;
    if (text[at] === '\\') at += 1;
  }
  return undefined;
}
