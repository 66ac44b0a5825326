import { type AllowedNodes, isUsualRate, matchesAny } from '@comfy-fleet/contracts';
import { type Catalogue, hasClass, modulesOf } from '../describe/catalogue.js';
import { fileWidget, isMedia } from '../describe/widget.js';
import { calculate } from '../formula.js';
import type { GraphNode } from '../graph.js';
import { NODE_TABLE, reviewedKind } from '../nodes/node-table.js';
import { isRecord } from '../read-graph.js';
import { nodeInputs } from '../verdict/node-inputs.js';
import type { Workflow } from '../workflow.js';
import { allowedInputs } from './allowed-inputs.js';
import { wrongTypes } from './passed-types.js';
import { repeatedLoads } from './repeated-loads.js';
import { growingTexts, MAX_SHOWN_CHARS, MAX_TEXT_CHARS } from './text-growth.js';

/** What a key may use in its own graphs. */
export interface NodeRights {
  /** Patterns of classes besides the reviewed ones; undefined: any class, with any input. */
  readonly allowNodes: readonly string[] | undefined;
  /** Patterns of forbidden classes, whatever else allows them. */
  readonly denyNodes: readonly string[];
  /** What ALLOWED_NODES_FILE allows to every key. */
  readonly allowed: AllowedNodes;
}

/** A node, or an input of one, that a graph must not have. */
export interface ForbiddenPart {
  readonly node: string;
  readonly input?: string;
  readonly detail: string;
}

/**
 * Nodes of a graph that load files. To validate one, ComfyUI lists its whole input folder twice, with 4 µs for each
 * file, and answers nobody meanwhile.
 */
const MOST_FILE_NODES = 32;

const HOW_TO_ALLOW = 'the operator can allow it in ALLOWED_NODES_FILE or with keys create --allow-nodes';

/**
 * The forbidden parts of a key's own graph. Without a catalogue the table of reviewed classes decides alone. Expects a
 * graph of `openGraph`: a file widget that is not an input of that workflow is a link or an object, either of which
 * could name any file.
 */
export function forbiddenParts(
  { graph, inputAt }: Pick<Workflow, 'graph' | 'inputAt'>,
  rights: NodeRights,
  catalogue: Catalogue | undefined,
): ForbiddenPart[] {
  const parts: ForbiddenPart[] = [];
  let fileNodes = 0;
  for (const [node, described] of Object.entries(graph)) {
    const { class_type: className, inputs } = described;
    if (matchesAny(className, rights.denyNodes)) {
      parts.push({ node, detail: `${className} is a node class that this API key may not use` });
      continue;
    }
    if (rights.allowNodes === undefined) continue;
    const isAllowed = isAllowedByOperator(className, rights, catalogue);
    const fault = isAllowed ? unknownClass(className, catalogue) : classFault(className, catalogue);
    if (fault !== undefined) {
      parts.push({ node, detail: fault });
      continue;
    }
    const faultAt = isAllowed ? customInputFault : reviewedInputFault;
    const known = { catalogue, rights, isListed: listedInputs(described, catalogue) };
    for (const input of Object.keys(inputs)) {
      const isFile = isFileWidget(className, input, catalogue);
      const isOwnFile = isMedia(inputAt({ node, input })?.type);
      if (isOwnFile && (isFile || isAllowed)) continue;
      const problem = isOwnFile
        ? 'takes no file' // A node could show its secret name.
        : isFile
          ? 'takes only the plain name of a file of yours: no link, no object'
          : faultAt(described, input, known);
      if (problem !== undefined) parts.push({ node, input, detail: `${input} of ${className} ${problem}` });
    }
    if (Object.keys(inputs).some((input) => isFileWidget(className, input, catalogue))) fileNodes += 1;
    if (fileNodes > MOST_FILE_NODES) {
      const detail = `a graph may have at most ${MOST_FILE_NODES} nodes that load files: load each file once, and link its node to all nodes that use it`;
      return [...parts, { node, detail }];
    }
  }
  if (rights.allowNodes === undefined) return parts;
  parts.push(...repeatedLoads(graph));
  if (catalogue !== undefined) parts.push(...wrongTypes(graph, catalogue));
  const detail = `makes a text that may be too long (more than ${MAX_TEXT_CHARS} characters, or ${MAX_SHOWN_CHARS} together with what other output nodes show), or nests too much in parentheses`;
  return [...parts, ...growingTexts(graph, catalogue).map((node) => ({ node, detail }))];
}

function isAllowedByOperator(
  className: string,
  { allowNodes = [], allowed }: NodeRights,
  catalogue: Catalogue | undefined,
): boolean {
  if (allowedInputs(allowed, className, catalogue?.[className]) !== undefined || allowNodes.includes(className))
    return true;
  // A pattern adds classes, but removes no limits from inputs of classes that are allowed without it.
  return matchesAny(className, allowNodes) && classFault(className, catalogue) !== undefined;
}

/** Only the catalogue tells which inputs of a custom node are files. */
function unknownClass(className: string, catalogue: Catalogue | undefined): string | undefined {
  const isKnown = NODE_TABLE.has(className) || (catalogue !== undefined && hasClass(catalogue, className));
  return isKnown ? undefined : `no instance is known that has the node class ${className}`;
}

function classFault(className: string, catalogue: Catalogue | undefined): string | undefined {
  const reviewed = NODE_TABLE.get(className);
  if (reviewed === undefined) return `${className} is not an allowed node class; ${HOW_TO_ALLOW}`;
  const { refused, modules } = reviewed;
  if (refused !== undefined) return `${className} is not an allowed node class (${refused}); ${HOW_TO_ALLOW}`;
  const foreign = modulesOf(catalogue?.[className]).find((module) => !modules.includes(module));
  if (foreign === undefined) return undefined;
  return `${className} is not an allowed node class where ${foreign} replaces ComfyUI's own; ${HOW_TO_ALLOW}`;
}

/** Whatever its value is, because a link can deliver a name as well. */
function isFileWidget(className: string, input: string, catalogue: Catalogue | undefined): boolean {
  return fileWidget(className, input, catalogue) !== undefined;
}

interface Known {
  readonly catalogue: Catalogue | undefined;
  readonly rights: NodeRights;
  /** Whether the catalogue lists the input for the node. */
  readonly isListed: (input: string) => boolean;
}

function reviewedInputFault(
  { class_type: className, inputs }: GraphNode,
  input: string,
  { catalogue, isListed }: Known,
) {
  const value = inputs[input];
  const reviewed = reviewedKind(className, input);
  // It may belong to another option than the chosen one.
  if (input.includes('.') && hasClass(catalogue ?? {}, className) && !isListed(input)) return unlistedFault(value);
  if (typeof value === 'string' && reviewed === `not:${value}`) return `takes no ${value}; ${HOW_TO_ALLOW}`;
  const kind = reviewed?.startsWith('not:') ? 'fixed' : reviewed;
  switch (kind) {
    case undefined:
      if (isListed(input)) return `is new, and nobody has reviewed it; ${HOW_TO_ALLOW}`;
      return unlistedFault(value);
    case 'refused':
      return `is not allowed; ${HOW_TO_ALLOW}`;
    case 'unreviewed':
      return `has not been reviewed; ${HOW_TO_ALLOW}`;
    case 'path':
    case 'code':
    case 'url':
      return `takes a ${kind}, which API keys may not choose; ${HOW_TO_ALLOW}`;
    case 'link':
      return Array.isArray(value) || value === null ? undefined : 'takes only a link to the output of another node';
    case 'fixed':
      return isPlain(value) ? undefined : 'takes only one of its options, as plain text';
    case 'expression':
      return isFormula(value)
        ? undefined
        : `takes only a formula of at most ${MAX_FORMULA_CHARS} characters: numbers, names, operators and functions, but no powers, indexes or chained comparisons, and round() of one number`;
    case 'template':
      return isShort(value) && TEMPLATE.test(value)
        ? undefined
        : `takes only plain text of at most ${MAX_SHORT_CHARS} characters, with fields such as {a} or {a:.2f}`;
    case 'numbers':
      return isShort(value) && NUMBERS.test(value)
        ? undefined
        : `takes only numbers, as plain text of at most ${MAX_SHORT_CHARS} characters`;
    case 'rate':
      return isPlain(value) && isUsualRate(Number(value))
        ? undefined
        : 'takes only a usual sample rate: a number of at most 192,000 that 25 divides, without a link';
    case 'short':
      return typeof value === 'string' && value.length <= MAX_CAPTION_CHARS && !LONG_WORD.test(value)
        ? undefined
        : `takes only plain text of at most ${MAX_CAPTION_CHARS} characters, in words of at most 50`;
    case 'value':
    case 'choice':
    case 'model':
      return isPlain(value) || Array.isArray(value) || isWrappedList(value) ? undefined : 'takes no object';
    default:
      if (kind.startsWith('max:')) return numberFault(value, Number(kind.slice('max:'.length)));
      // Data and prefixes; the caller has handled files.
      return undefined;
  }
}

/** Longer than any formula that people write, and too short for one that takes long to calculate. */
const MAX_FORMULA_CHARS = 500;
/** Longest text for which quadratic time is a fraction of a second. */
const MAX_SHORT_CHARS = 4000;
/** TextOverlay measures the rest of a long word for each line that it breaks, for each of 31 font sizes. */
const MAX_CAPTION_CHARS = 1000;
const LONG_WORD = /\S{51}/;
const NUMBERS = /^(?!.*\.\.)[\d\s.,;eE+-]*$/s;
/** A template whose fields have no attributes or items and are at most 99 characters wide. */
const TEMPLATE = /^(?:[^{}]|\{\{|\}\}|\{[a-z](?::(?:0\d{0,2}|[1-9]\d?)?(?:\.\d{1,2})?[dfgs%]?)?\})*$/;

/** A link could deliver any number. ComfyUI converts strings to numbers; one that `Number` cannot parse is refused. */
function numberFault(value: unknown, most: number): string | undefined {
  const isNumber = typeof value === 'number' || typeof value === 'string';
  return isNumber && Math.abs(Number(value)) <= most
    ? undefined
    : `takes only a number of at most ${most}, without a link`;
}

function isFormula(value: unknown): boolean {
  if (typeof value !== 'string' || value.length > MAX_FORMULA_CHARS) return false;
  return calculate(value, () => undefined) !== undefined;
}

function isShort(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_SHORT_CHARS;
}

function customInputFault(
  { class_type: className, inputs }: GraphNode,
  input: string,
  { catalogue, rights: { allowed }, isListed }: Known,
): string | undefined {
  const named = allowedInputs(allowed, className, catalogue?.[className]) ?? {};
  const isKnown = matchesAny(input, Object.keys(named)) || reviewedKind(className, input) !== undefined;
  if (isKnown || isListed(input)) return undefined;
  return unlistedFault(inputs[input]);
}

/**
 * Reads the catalogue once per node, and only for an input that is not in the table, because growing lists of inputs
 * take long.
 */
function listedInputs({ class_type, inputs }: GraphNode, catalogue: Catalogue | undefined): (input: string) => boolean {
  let names: ReadonlySet<string> | undefined;
  return (input) => {
    names ??= new Set(nodeInputs(catalogue?.[class_type], inputs).map(({ name }) => name));
    return names.has(input);
  };
}

/** ComfyUI ignores a value under a name that the class does not list, but passes a link under it to the class. */
function unlistedFault(value: unknown): string | undefined {
  return Array.isArray(value) ? 'is not an input that ComfyUI lists, so it takes no link' : undefined;
}

function isPlain(value: unknown): boolean {
  return typeof value !== 'object' || value === null;
}

/** The editor wraps lists of widgets with several options. */
function isWrappedList(value: unknown): boolean {
  return (
    isRecord(value) &&
    Object.keys(value).length === 1 &&
    Array.isArray(value.__value__) &&
    value.__value__.every(isPlain)
  );
}
