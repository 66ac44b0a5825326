import type { Graph } from './graph.js';
import type { Member } from './members.js';

/** The node that sends pictures over the socket and keeps none: they would be lost with it. */
export const SOCKET_PICTURES = 'SaveImageWebsocket';

/** The node that shows pictures. ComfyUI chooses the names of their files. */
export const PREVIEW = 'PreviewImage';

/** Replaces both in the submitted graph: it has the same input and takes a filename prefix. */
export const KEPT_PICTURES = 'SaveImage';

const DESCRIPTION = {
  input: { required: { images: ['IMAGE'] } },
  input_order: { required: ['images'] },
  output: [],
  output_is_list: [],
  output_name: [],
  name: SOCKET_PICTURES,
  display_name: SOCKET_PICTURES,
  description: '',
  python_module: 'custom_nodes.websocket_image_save',
  category: 'api/image',
  output_node: true,
};

/** With nodes that keep their pictures, under a prefix where the graph has one for them. */
export function keepPictures(graph: Graph, promptId: string): Graph {
  return Object.fromEntries(
    Object.entries(graph).map(([id, node]) => {
      const { class_type, inputs, _meta = { title: class_type } } = node;
      const isKept = class_type === SOCKET_PICTURES || (class_type === PREVIEW && 'filename_prefix' in inputs);
      if (!isKept) return [id, node];
      return [id, { ...node, class_type: KEPT_PICTURES, inputs: { filename_prefix: promptId, ...inputs }, _meta }];
    }),
  );
}

/** How the node is described where ComfyUI itself lacks it. */
export function socketPictures(has: (className: string) => boolean): typeof DESCRIPTION | undefined {
  return has(KEPT_PICTURES) && !has(SOCKET_PICTURES) ? DESCRIPTION : undefined;
}

/** The classes of an instance, and that node. */
export async function* withSocketPictures(classes: AsyncIterable<Member>): AsyncGenerator<Member> {
  const names = new Set<string>();
  for await (const member of classes) {
    if (member[0] === KEPT_PICTURES || member[0] === SOCKET_PICTURES) names.add(member[0]);
    yield member;
  }
  const description = socketPictures((name) => names.has(name));
  if (description !== undefined) yield [SOCKET_PICTURES, JSON.stringify(description)];
}
