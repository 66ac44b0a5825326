import { FileFault } from '../file-fault.js';
import { describeNode, type Graph, nodeAt } from '../graph.js';
import { namedInputs } from '../input-names.js';
import { parameterCalled } from './usual-names.js';
import { isMedia, widgetOf } from './widget.js';

/**
 * The widgets that are meant when only the node is named: the one that is called like the input, those that carry the
 * usual parameter of that name (each text of an SDXL encoder), the one that takes a file, or the only one. Throws a
 * FileFault when it could be any of several, or there is none.
 */
export function meantWidgets(graph: Graph, id: string, name: string): string[] {
  const node = nodeAt(graph, id);
  const widgets = Object.keys(node.inputs).filter((input) => widgetOf(node, input) !== undefined);
  if (widgets.includes(name)) return [name];
  const parameter = parameterCalled(name);
  const usual = parameter === undefined ? [] : namedInputs(node, parameter).filter((input) => widgets.includes(input));
  if (usual.length > 0) return usual;
  const files = widgets.filter((input) => isMedia(widgetOf(node, input)?.type));
  const [only, ...others] = files.length > 0 ? files : widgets;
  if (only === undefined) {
    const problem = `${describeNode(graph, id)} is named for the input ${name} and has no widget that can be set`;
    throw new FileFault({ problem, at: { node: id } });
  }
  if (others.length === 0) return [only];
  const problem =
    `${describeNode(graph, id)} is named for the input ${name} and has several widgets (${widgets.join(', ')}): say ` +
    `which, as in the title input:${name}.${only}`;
  throw new FileFault({ problem, at: { node: id } });
}
