import type { Graph } from './graph.js';
import type { Member } from './node-classes.js';

/** The node that sends pictures over the socket and stores none, so they would be lost with the socket. */
export const SOCKET_PICTURES = 'SaveImageWebsocket';

/** The node that shows pictures. ComfyUI chooses the names of their files. */
export const PREVIEW = 'PreviewImage';

/** Replaces both in the submitted graph, because it has the same input and takes a filename prefix. */
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

/** Replaces nodes by ones that store their pictures, under the graph's prefix if it has one. */
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

/** The description of SaveImageWebsocket for a ComfyUI that lacks it. */
export function socketPictures(has: (className: string) => boolean): typeof DESCRIPTION | undefined {
  return has(KEPT_PICTURES) && !has(SOCKET_PICTURES) ? DESCRIPTION : undefined;
}

/** Adds SaveImageWebsocket to the classes of an instance. */
export async function* withSocketPictures(classes: AsyncIterable<Member>): AsyncGenerator<Member> {
  const names = new Set<string>();
  for await (const member of classes) {
    if (member[0] === KEPT_PICTURES || member[0] === SOCKET_PICTURES) names.add(member[0]);
    yield member;
  }
  const description = socketPictures((name) => names.has(name));
  if (description !== undefined) yield [SOCKET_PICTURES, JSON.stringify(description)];
}
