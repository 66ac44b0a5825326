import type { Graph } from './graph.js';
import type { Member } from './members.js';

/** The node that sends pictures over the socket and keeps none: they would be lost with it. */
export const SOCKET_PICTURES = 'SaveImageWebsocket';

/** What every ComfyUI gets in its place: the same input, and the pictures are kept until the next restart. */
export const KEPT_PICTURES = 'PreviewImage';

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

/** With nodes that keep their pictures. ComfyUI does not know the input `prompt_id`, and so takes nothing from its cache. */
export function keepSocketPictures(graph: Graph, promptId: string): Graph {
  return Object.fromEntries(
    Object.entries(graph).map(([id, node]) => {
      if (node.class_type !== SOCKET_PICTURES) return [id, node];
      const { _meta = { title: SOCKET_PICTURES }, inputs } = node;
      return [id, { ...node, class_type: KEPT_PICTURES, inputs: { ...inputs, prompt_id: promptId }, _meta }];
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
