import type { OutputFile } from '@comfy-fleet/comfyui';
import { FleetError } from '@comfy-fleet/contracts';
import { type Edit, plainName } from '@comfy-fleet/frames';
import { ascii, type Graph, showJson } from '@comfy-fleet/workflows';

interface Names {
  /** What the names of all files begin with that the submission writes. */
  readonly prefix: string;
  /** The caller's names for input files, by their names on the instance. */
  readonly files: ReadonlyMap<string, string>;
  /** The graph as the caller sent it, with the values that were chosen for it; undefined where it is not known. */
  readonly graph?: Graph;
}

/** Of ComfyUI's nodes that save, and of those that show. */
const USUAL_PREFIX = 'ComfyUI';
const USUAL_TEMPORARY_PREFIX = 'ComfyUI_temp';

/** The longest graph that is looked for in a file, in characters. Our names are taken out of a longer one all the same. */
const MOST_GRAPH_CHARS = 16 * 1024 * 1024;
/** A name, or the beginning of a graph, may go on in the next piece of a file. */
const OVERLAP_CHARS = 512;

/**
 * Puts the caller's names in the place of those on the instance, which must not become known: whoever knows the name of a
 * file there may have ComfyUI open it.
 */
export class CallerNames {
  readonly #names: Names;
  readonly #ours: RegExp;
  /** Where ComfyUI may have written the graph: plain, or in a JSON text. */
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

  inText(text: string): string {
    return text.replace(this.#ours, (name) => this.#names.files.get(name) ?? USUAL_PREFIX);
  }

  inError(error: unknown): unknown {
    // Its kinds are of the connection, and name no file.
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

  /** What the file would be called if ComfyUI had been given the graph as the caller sent it. */
  ofFile({ nodeId, filename }: Pick<OutputFile, 'nodeId' | 'filename'>): string {
    const { prefix, graph } = this.#names;
    if (!filename.startsWith(prefix)) return plainName(this.inText(filename));
    const { class_type, inputs = {} } = graph?.[nodeId] ?? {};
    const own = class_type?.startsWith('SaveLoRA') ? inputs.prefix : inputs.filename_prefix;
    const usual = class_type?.startsWith('Preview') ? USUAL_TEMPORARY_PREFIX : USUAL_PREFIX;
    const begin = typeof own === 'string' && own !== '' ? own : usual;
    return plainName(begin + filename.slice(prefix.length).replace(/^-\d+/, ''));
  }

  /** For files: the caller's graph in the place of ours. What is left of our names is masked. */
  readonly edit: Edit = (data, isLast) => {
    const text = data.toString('latin1');
    let at = 0;
    let done = '';
    for (let start = this.#nextGraph(text, 0); start !== undefined; start = this.#nextGraph(text, at)) {
      const end = start.isInText ? endOfString(text, start.at) : endOfObject(text, start.at);
      const isToCome = end === undefined && !isLast && text.length - start.at < MOST_GRAPH_CHARS;
      // What begins like a graph may do so millions of times, so it is not looked for again.
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

  /** Of the same length, since the file says elsewhere how long it is. ComfyUI puts more spaces between than we do. */
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

/** Where the object ends that begins at `start`; undefined when the text ends before. */
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

/** Where the quotation mark is that ends the string with the character at `from`; undefined when the text ends before. */
function endOfString(text: string, from: number): number | undefined {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '"') return at;
    if (text[at] === '\\') at += 1;
  }
  return undefined;
}
