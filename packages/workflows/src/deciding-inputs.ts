import { type InputValue, isInputFile } from '@comfy-fleet/contracts';
import { type Catalogue, hasClass, inputSpec } from './describe/catalogue.js';
import { nodeAt } from './graph.js';
import { isModelFile } from './model-file.js';
import type { Workflow } from './workflow.js';

/** Names of models and options have no more characters, and no more words. */
const MOST_CHARS = 256;
const MOST_WORDS = 4;

/**
 * Names of the inputs whose values decide which instances can run a request: models, and what is chosen among options. Of
 * node classes that the catalogue does not have, what looks like the name of an option.
 */
export function decidingInputs(
  { graph, inputs: known }: Workflow,
  inputs: Readonly<Record<string, InputValue>>,
  catalogue: Catalogue,
): string[] {
  const isChosen = (name: string, value: InputValue) =>
    known
      .find((one) => one.name === name)
      ?.slots.some(({ node, input }) => {
        const className = nodeAt(graph, node).class_type;
        return hasClass(catalogue, className)
          ? inputSpec(catalogue, className, input)?.type === 'COMBO'
          : mayBeOption(name, value);
      });
  return Object.entries(inputs)
    .filter(([name, value]) => !isInputFile(value) && (isModelFile(value) || isChosen(name, value)))
    .map(([name]) => name);
}

/** What may be the name of a model, sampler or other option: no seed, and no sentence, of which each job has its own. */
export function mayBeOption(name: string, value: InputValue): boolean {
  if (name === 'prompt' || name === 'negative_prompt' || typeof value !== 'string') return false;
  if (['checkpoint', 'sampler', 'scheduler'].includes(name)) return true;
  const isShort = value.length <= MOST_CHARS && value.split(' ').length <= MOST_WORDS;
  return isShort && !/^\d*$|\s{2}|\n|[,.!?]\s/.test(value);
}
