import { existsSync } from 'node:fs';
import { type ServerTraits, type Verdict, verdictOf } from '@comfy-fleet/workflows';
import type { Engine } from './engine.js';
import { FILE_INPUTS, inputFile } from './folders.js';
import { replaceOldNodes } from './node-replacements.js';
import { isObject, type Json, type JsonObject, UncaughtError } from './python.js';

/** Line numbers of execution.py in tracebacks. The source lines are left out, as in the recordings. */
const LINES = {
  '0.3.64': { inputs: 730, class: 788, slot: 790, inner: 808 },
  '0.33.0': { inputs: 870, class: 933, slot: 935, inner: 955 },
} as const;

/**
 * Validates like ComfyUI's validate_prompt, and converts widget values in place, because ComfyUI stores the converted
 * graph. Throws an UncaughtError where ComfyUI answers 500.
 */
export function validatePrompt(sent: JsonObject, { catalogue, folders, settings: { version } }: Engine): Verdict {
  if (version === '0.33.0') replaceOldNodes(sent.prompt, catalogue);
  const isEmptyList = Array.isArray(sent.prompt) && sent.prompt.length === 0;
  const prompt = isEmptyList && version === '0.3.64' ? {} : sent.prompt;
  const server: ServerTraits = {
    version,
    fileKindOf: (className, input) => {
      const known = FILE_INPUTS[className];
      return known?.input === input ? known.called : undefined;
    },
    store: (node, input, value) => {
      const { inputs } = (prompt as JsonObject)[node] as JsonObject;
      (inputs as JsonObject)[input] = value as Json;
    },
    traceback: (place, isInner) =>
      [...(isInner ? [LINES[version].inner] : []), LINES[version][place]].map(
        (line) => `  File "<COMFYUI>/execution.py", line ${line}, in validate_inputs\n    <source line left out>\n`,
      ),
    crash: (reason) => {
      throw new UncaughtError(reason);
    },
  };
  const nodes = isObject(prompt) ? prompt : {};
  const targets = readTargets(sent.partial_execution_targets);
  const hasFile = (name: string) => existsSync(inputFile(folders, name) ?? '');
  return verdictOf(prompt, catalogue.describeAll(classNames(nodes)), { targets, hasFile, server });
}

function classNames(nodes: JsonObject): string[] {
  const names = Object.values(nodes).map((node) => (isObject(node) ? node.class_type : undefined));
  return [...new Set(names.filter((name) => typeof name === 'string'))];
}

/** Python evaluates `id in targets`, which also works for strings and dicts. */
function readTargets(targets: Json | undefined): string | string[] | undefined {
  if (targets === undefined || targets === null) return undefined;
  if (typeof targets === 'string' || Array.isArray(targets)) return targets as string | string[];
  if (isObject(targets)) return Object.keys(targets);
  throw new UncaughtError('partial_execution_targets cannot be searched');
}
