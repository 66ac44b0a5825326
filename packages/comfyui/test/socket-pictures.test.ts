import { expect, it } from 'vitest';
import type { Graph } from '../src/index.js';
import type { Member } from '../src/node-classes.js';
import { keepPictures, withSocketPictures } from '../src/socket-pictures.js';

const described = async (classes: readonly Member[]) => {
  const all = new Map<string, string>();
  async function* given() {
    yield* classes;
  }
  for await (const [name, text] of withSocketPictures(given())) all.set(name, text);
  return all;
};

it('saves the pictures of SaveImageWebsocket and of a PreviewImage with a prefix, and nothing else', () => {
  const images = ['8', 0];
  const graph: Graph = {
    '1': { class_type: 'SaveImage', inputs: { images } },
    '2': { class_type: 'PreviewImage', inputs: { images } },
    send: { class_type: 'SaveImageWebsocket', inputs: { images } },
    titled: { class_type: 'SaveImageWebsocket', inputs: { images, filename_prefix: 'mine' }, _meta: { title: 'Here' } },
    show: { class_type: 'PreviewImage', inputs: { images, filename_prefix: 'mine' } },
  };
  const saved = (filename_prefix: string, title: string) => {
    return { class_type: 'SaveImage', inputs: { images, filename_prefix }, _meta: { title } };
  };
  expect(keepPictures(graph, 'p')).toEqual({
    '1': graph['1'],
    '2': graph['2'],
    send: saved('p', 'SaveImageWebsocket'),
    titled: saved('mine', 'Here'),
    show: saved('mine', 'PreviewImage'),
  });
});

it('describes the node where ComfyUI lacks it, and as ComfyUI does where it has it', async () => {
  const save: Member = ['SaveImage', '{}'];
  const own: Member = ['SaveImageWebsocket', '{"own":1}'];
  expect([...(await described([save])).keys()]).toEqual(['SaveImage', 'SaveImageWebsocket']);
  expect((await described([own, save])).get('SaveImageWebsocket')).toBe('{"own":1}');
  expect([...(await described([['KSampler', '{}']])).keys()]).toEqual(['KSampler']);
});
