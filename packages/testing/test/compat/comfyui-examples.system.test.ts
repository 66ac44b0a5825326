import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { until } from '../../src/index.js';
import { drawing, startV2Stack, type V2Stack } from './comfy-v2/v2-stack.js';

/** The three scripts that come with ComfyUI, in the language in which they are, and the same calls in Node. */
type Script = 'basic' | 'websockets' | 'ws_images';
type Graph = ReturnType<typeof drawing>;
type Pictures = Record<string, Buffer[]>;

const PYTHON = fileURLToPath(new URL('./comfyui-examples/examples.py', import.meta.url));
const SAVE_NODE = 'save_image_websocket_node';

let fleet: V2Stack;
beforeAll(async () => {
  fleet = await startV2Stack(2, 20);
});
afterAll(() => fleet?.close());

/** What stands for `server_address` in them. */
const server = () => `${fleet.stack.url.replace('http://', '')}/comfyui/k/anna`;

async function inPython(script: Script, graph: Graph): Promise<Pictures> {
  const running = promisify(execFile)('python3', [PYTHON, script, server()], { maxBuffer: 64 * 1024 * 1024 });
  running.child.stdin?.end(JSON.stringify(graph));
  const { stdout } = await running;
  const shown = Object.entries(JSON.parse(stdout) as Record<string, string[]>);
  return Object.fromEntries(shown.map(([node, all]) => [node, all.map((one) => Buffer.from(one, 'base64'))]));
}

async function inNode(script: Script, graph: Graph): Promise<Pictures> {
  const post = async (body: object) => {
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const answer = await fetch(`http://${server()}/prompt`, { method: 'POST', headers, body: JSON.stringify(body) });
    return (await answer.json()) as { prompt_id: string };
  };
  if (script === 'basic') {
    await post({ prompt: graph });
    return {};
  }
  const client_id = randomUUID();
  const socket = new WebSocket(`ws://${server()}/ws?clientId=${client_id}`);
  const pictures: Pictures = {};
  let promptId: string | undefined = script === 'websockets' ? randomUUID() : undefined;
  let current: unknown;
  const over = new Promise<void>((resolve) => {
    socket.on('message', (message: Buffer, isBinary) => {
      if (isBinary) {
        if (current === SAVE_NODE) pictures[SAVE_NODE] = [...(pictures[SAVE_NODE] ?? []), message.subarray(8)];
        return;
      }
      const { type, data } = JSON.parse(`${message}`);
      if (type !== 'executing' || data.prompt_id !== promptId) return;
      current = data.node;
      if (current === null) resolve();
    });
  });
  await once(socket, 'open');
  // As the script, which hears nothing before it knows its prompt's id.
  socket.pause();
  const sent = await post({ prompt: graph, client_id, ...(promptId === undefined ? {} : { prompt_id: promptId }) });
  promptId = sent.prompt_id;
  socket.resume();
  await over;
  socket.close();
  if (script === 'ws_images') return pictures;
  type Output = { images?: { filename: string; subfolder: string; type: string }[] };
  type History = Record<string, { outputs: Record<string, Output> }>;
  const history = (await (await fetch(`http://${server()}/history/${promptId}`)).json()) as History;
  for (const [node, { images = [] }] of Object.entries(history[promptId]?.outputs ?? {})) {
    const seen = images.map(async (image) =>
      (await fetch(`http://${server()}/view?${new URLSearchParams(image)}`)).arrayBuffer(),
    );
    pictures[node] = (await Promise.all(seen)).map((bytes) => Buffer.from(bytes));
  }
  return pictures;
}

/** It draws two pictures with that number in their text, which the PNGs tell. */
function drawingTwo(number: number, save = 'SaveImage'): Graph {
  const graph = drawing(4, number);
  Object.assign(graph[3]?.inputs ?? {}, { batch_size: 2 });
  if (save === 'SaveImage') return graph;
  const { 6: _saves, ...others } = graph;
  return { ...others, [SAVE_NODE]: { class_type: save, inputs: { images: ['5', 0] } } };
}

const isPngOf = (number: number) => (picture: Buffer) =>
  picture.subarray(1, 4).toString() === 'PNG' && picture.includes(`a fox, number ${number}`);

describe.each([
  ['Python', inPython, 1000],
  ['Node', inNode, 2000],
] as const)('the examples in %s', (_language, run, first) => {
  it('basic_api_example: orders a prompt without anything else', async () => {
    await run('basic', drawingTwo(first));
    await until('its picture to be there', async () => {
      const history = (await (await fetch(`http://${server()}/history`)).json()) as Record<string, unknown>;
      return Object.values(history).some((entry) => JSON.stringify(entry).includes(`a fox, number ${first}`));
    });
  });

  it('websockets_api_example: gets the pictures of the prompt that it gave an id', async () => {
    const pictures = await run('websockets', drawingTwo(first + 1));
    expect(Object.keys(pictures)).toEqual(['6']);
    expect(pictures[6]?.map(isPngOf(first + 1))).toEqual([true, true]);
  });

  it('websockets_api_example_ws_images: gets pictures over the socket, and nothing else', async () => {
    const pictures = await run('ws_images', drawingTwo(first + 2, 'SaveImageWebsocket'));
    expect(Object.keys(pictures)).toEqual([SAVE_NODE]);
    expect(pictures[SAVE_NODE]?.map(isPngOf(first + 2))).toEqual([true, true]);
  });
});

it('runs both at once, each with its own pictures', async () => {
  const numbers = Array.from({ length: 6 }, (_, n) => 3000 + n);
  const runs = numbers.map(async (number) => {
    const run = number % 2 === 0 ? inPython : inNode;
    const pictures = await run('ws_images', drawingTwo(number, 'SaveImageWebsocket'));
    return pictures[SAVE_NODE]?.map(isPngOf(number));
  });
  expect(await Promise.all(runs)).toEqual(numbers.map(() => [true, true]));
});
