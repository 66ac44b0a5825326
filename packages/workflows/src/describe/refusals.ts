import { describeNode, type Graph, nodeAt, upstreamOf } from '../graph.js';
import { showJson } from '../json-text.js';
import { listed } from '../listed.js';
import { suggest } from '../nearest.js';
import { type Catalogue, hasClass, inputSpec, isOutputClass, requiredInputs } from './catalogue.js';
import { isMedia, type Widget, widgetOf } from './widget.js';

/** What ComfyUI would refuse of a graph, whatever models there are. */
export interface GraphFault {
  readonly node: string;
  readonly input: string;
  readonly detail: string;
}

/**
 * Inputs that a graph which is to run lacks, and numbers out of their bounds, in what the outputs need. Of classes that the
 * catalogue does not have nothing is said, nor of options: what instances lack is told apart.
 */
export function graphFaults(graph: Graph, outputs: readonly string[], catalogue: Catalogue): GraphFault[] {
  return [...upstreamOf(graph, outputs)].flatMap((node) => {
    const { class_type: className, inputs } = nodeAt(graph, node);
    if (!hasClass(catalogue, className)) return [];
    const missing = requiredInputs(catalogue, className)
      .filter((input) => !(input in inputs))
      .map((input) => ({ node, input, detail: 'is missing' }));
    const wrong = Object.keys(inputs).flatMap((input) => {
      const widget = inputSpec(catalogue, className, input) && widgetOf(nodeAt(graph, node), input, catalogue);
      const fault =
        widget === undefined || widget.options !== undefined ? undefined : valueFault(inputs[input], widget);
      return fault === undefined ? [] : [{ node, input, detail: `is ${showJson(inputs[input])}, ${fault}` }];
    });
    return [...missing, ...wrong];
  });
}

/** What ComfyUI would refuse of the graph as it is: sentences in its own terms. */
export function refusals(graph: Graph, outputs: readonly string[], catalogue: Catalogue | undefined): string[] {
  const unknown = catalogue === undefined ? [] : unknownClasses(graph, catalogue);
  const saves = (id: string) =>
    catalogue === undefined || isOutputClass(catalogue, nodeAt(graph, id).class_type) !== false;
  // What is unknown may be what saves.
  if (unknown.length === 0 && !outputs.some(saves)) {
    return ['No node of it saves anything: add one, such as SaveImage, and export it again.'];
  }
  if (catalogue === undefined) return [];
  const faults = [...upstreamOf(graph, outputs)].flatMap((id) => {
    const node = nodeAt(graph, id);
    const { class_type: className, inputs } = node;
    if (!hasClass(catalogue, className)) return [];
    const missing = requiredInputs(catalogue, className).filter((input) => !(input in inputs));
    return [
      ...missing.map((input) => `${describeNode(graph, id)}: its ${input} is missing.`),
      ...Object.keys(inputs).flatMap((input) => {
        const widget = inputSpec(catalogue, className, input) && widgetOf(node, input, catalogue);
        const fault = widget && valueFault(inputs[input], widget);
        return fault === undefined
          ? []
          : `${describeNode(graph, id)}: ${input} is ${showJson(inputs[input])}, ${fault}.`;
      }),
    ];
  });
  return [...unknown, ...faults];
}

/** ComfyUI looks at the class of every node, also of those that no output needs. */
function unknownClasses(graph: Graph, catalogue: Catalogue): string[] {
  return Object.entries(graph).flatMap(([id, { class_type: className }]) => {
    if (hasClass(catalogue, className)) return [];
    const near = suggest(className, Object.keys(catalogue));
    return `${describeNode(graph, id)}: there is no node class ${className}${near || '; a custom node may bring it.'}`;
  });
}

/** Nothing is said of files: every job brings its own. */
function valueFault(value: unknown, { type, options, minimum, maximum }: Widget): string | undefined {
  if (isMedia(type)) return undefined;
  if (options !== undefined) {
    const others = options.length === 0 ? 'none' : `only ${listed(options.map(String))}`;
    // a list where several can be chosen
    return [value].flat().every((one) => options.includes(one)) ? undefined : `and there is ${others}`;
  }
  if (type === 'string' || type === 'boolean') return undefined;
  // ComfyUI makes a number of "20" as well
  const number = typeof value === 'bigint' ? value : Number(value === '' ? Number.NaN : value);
  if (Number.isNaN(number)) return 'which is no number';
  if (minimum !== undefined && number < minimum) return `and the least is ${minimum}`;
  return maximum !== undefined && number > maximum ? `and the most is ${maximum}` : undefined;
}
