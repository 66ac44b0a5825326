import { randomInt, randomUUID } from 'node:crypto';
import type { Graph } from '../../src/index.js';

/** Graphs of core nodes, which run without a checkpoint. */

/** A plain picture in a unique colour, so that it is never answered from the cache. */
export function plainPicture(size: { width?: number; height?: number; batch?: number; color?: number } = {}): Graph {
  const { width = 64, height = 48, batch = 1, color = randomInt(0xffffff) } = size;
  return {
    '1': { class_type: 'EmptyImage', inputs: { width, height, batch_size: batch, color } },
    '2': { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: prefix() } },
  };
}

/** The same picture, saved under another name. */
export function renamed(graph: Graph): Graph {
  return { ...graph, '2': { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: prefix() } } };
}

/** The input picture of that name, inverted. */
export function invertedInput(image: string): Graph {
  return {
    '1': { class_type: 'LoadImage', inputs: { image } },
    '2': { class_type: 'ImageInvert', inputs: { image: ['1', 0] } },
    '3': { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: prefix() } },
  };
}

/** Takes seconds, in many nodes: an interrupt takes effect when a node begins. */
export function longRun(nodes = 100): Graph {
  const graph: Record<string, Graph[string]> = { ...plainPicture({ width: 640, height: 640 }) };
  for (let node = 0; node < nodes; node += 1) {
    const image = [node === 0 ? '1' : String(100 + node - 1), 0];
    const size = 640 + (node % 2) * 8;
    graph[String(100 + node)] = {
      class_type: 'ImageScale',
      inputs: { image, upscale_method: 'lanczos', width: size, height: size, crop: 'disabled' },
    };
  }
  graph['2'] = {
    class_type: 'SaveImage',
    inputs: { images: [String(100 + nodes - 1), 0], filename_prefix: prefix() },
  };
  return graph;
}

export function prefix(): string {
  return `contract/${randomUUID()}`;
}
