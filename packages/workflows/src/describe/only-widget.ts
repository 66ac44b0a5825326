import { FileFault } from '../file-fault.js';
import { describeNode, type Graph, nodeAt } from '../graph.js';
import type { Catalogue } from './catalogue.js';
import { isMedia, widgetOf } from './widget.js';

/**
 * The widget that is meant when only the node is named: its one widget, the one that is called like the input, or the
 * one that takes a file. Throws a FileFault when it is any of several, or there is none.
 */
export function onlyWidget(graph: Graph, id: string, name: string, catalogue: Catalogue | undefined): string {
  const node = nodeAt(graph, id);
  const widgets = Object.keys(node.inputs).filter((input) => widgetOf(node, input, catalogue) !== undefined);
  const files = widgets.filter((input) => isMedia(widgetOf(node, input, catalogue)?.type));
  const [only, ...others] = widgets.includes(name) ? [name] : files.length > 0 ? files : widgets;
  if (only === undefined) {
    throw new FileFault(`${describeNode(graph, id)} is named for the input ${name} and has no widget that can be set`);
  }
  if (others.length === 0) return only;
  throw new FileFault(
    `${describeNode(graph, id)} is named for the input ${name} and has several widgets (${widgets.join(', ')}): say which, ` +
      `as in the title input:${name}.${only}`,
  );
}
