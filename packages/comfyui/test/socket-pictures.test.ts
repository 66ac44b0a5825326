import { expect, it } from 'vitest';
import type { Graph } from '../src/index.js';
import type { Member } from '../src/members.js';
import { keepSocketPictures, withSocketPictures } from '../src/socket-pictures.js';

const described = async (classes: readonly Member[]) => {
  const all = new Map<string, string>();
  async function* given() {
    yield* classes;
  }
  for await (const [name, text] of withSocketPictures(given())) all.set(name, text);
  return all;
};

it('keeps the pictures of SaveImageWebsocket, and runs it anew each time, as that node does', () => {
  const graph: Graph = {
    '1': { class_type: 'SaveImage', inputs: { images: ['8', 0] } },
    save: { class_type: 'SaveImageWebsocket', inputs: { images: ['8', 0] } },
    titled: { class_type: 'SaveImageWebsocket', inputs: { images: ['8', 0] }, _meta: { title: 'Here' } },
  };
  const kept = { class_type: 'PreviewImage', inputs: { images: ['8', 0], prompt_id: 'p' } };
  expect(keepSocketPictures(graph, 'p')).toEqual({
    '1': graph['1'],
    save: { ...kept, _meta: { title: 'SaveImageWebsocket' } },
    titled: { ...kept, _meta: { title: 'Here' } },
  });
});

it('describes the node where ComfyUI lacks it, and as ComfyUI does where it has it', async () => {
  const preview: Member = ['PreviewImage', '{}'];
  const own: Member = ['SaveImageWebsocket', '{"own":1}'];
  expect([...(await described([preview])).keys()]).toEqual(['PreviewImage', 'SaveImageWebsocket']);
  expect((await described([own, preview])).get('SaveImageWebsocket')).toBe('{"own":1}');
  expect([...(await described([['KSampler', '{}']])).keys()]).toEqual(['KSampler']);
});
