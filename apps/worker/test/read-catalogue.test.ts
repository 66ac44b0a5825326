import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createComfyClient } from '@comfy-fleet/comfyui';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createCatalogueReader } from '../src/instance/read-catalogue.js';

const LOADER = { input: { required: { lora_name: [['a.safetensors'], {}], strength: ['FLOAT', { max: 10 }] } } };
const TABLE = {
  OldLoader: [{ new_node_id: 'Loader', input_mapping: [{ new_id: 'lora_name', old_id: 'name' }] }],
  Gone: [{ new_node_id: 'NotThere', input_mapping: null }],
};
const loadImage = (...files: string[]) => ({ input: { required: { image: [files, { image_upload: true }] } } });
const plain = { Loader: LOADER, LoadImage: loadImage('example.png') };

/** Reads catalogues from texts of the test. */
async function open(maxBytes = 1_000_000) {
  const read = createCatalogueReader({ maxBytes });
  let answers = { nodes: '', table: undefined as string | undefined };
  const server = createServer(({ url }, response) => {
    const body = url === '/object_info' ? answers.nodes : answers.table;
    response.statusCode = body === undefined ? 404 : 200;
    response.end(body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = createComfyClient({ baseUrl: `http://127.0.0.1:${port}`, instance: 'w/1', timeoutMs: 30_000 });
  onTestFinished(() => {
    client.close();
    server.close();
  });
  return async (nodes: object | string, table?: object) => {
    answers = {
      nodes: typeof nodes === 'string' ? nodes : JSON.stringify(nodes),
      table: table && JSON.stringify(table),
    };
    const found = await read(client, new AbortController().signal);
    return {
      ...found,
      classes: Object.fromEntries([...found.classes].map(([name, text]) => [name, JSON.parse(text)])),
    };
  };
}

describe('the catalogue of an instance', () => {
  it('has each class as it is described, and its options', async () => {
    const read = await open();
    const { classes, abilities, replacements } = await read(plain);
    expect(classes).toEqual({ ...plain, LoadImage: loadImage() });
    expect(abilities).toEqual({ Loader: { lora_name: ['a.safetensors'] }, LoadImage: {} });
    expect(replacements).toEqual({});
  });

  it('keeps its digest and its object of abilities, whatever is uploaded and in whatever order it arrives', async () => {
    const read = await open();
    const first = await read(plain);
    const uploaded = await read({ LoadImage: loadImage('b.png', 'example.png'), Loader: LOADER });
    expect(uploaded.digest).toBe(first.digest);
    expect(uploaded.abilities).toBe(first.abilities);
  });

  it.each([
    [
      'a model',
      { ...plain, Loader: { input: { required: { lora_name: [['a.safetensors', 'b.safetensors'], {}] } } } },
      {},
    ],
    ['a class', { ...plain, Another: {} }, {}],
    ['a bound', JSON.stringify(plain).replace('"max":10', '"max":11'), {}],
    ['a replaced class', plain, TABLE],
  ])('has another digest with %s more', async (_what, nodes, table) => {
    const read = await open();
    const { digest } = await read(plain);
    expect((await read(nodes, table)).digest).not.toBe(digest);
  });

  it('has classes that ComfyUI replaces by one that it has, unless it still has them', async () => {
    const read = await open();
    const replaced = await read(plain, TABLE);
    expect(replaced.abilities.OldLoader).toEqual({ name: ['a.safetensors'] });
    expect(replaced.abilities).not.toHaveProperty('Gone');
    expect(replaced.classes).toEqual({ ...plain, LoadImage: loadImage() });
    const both = await read({ ...plain, OldLoader: { input: { required: { name: [['own'], {}] } } } }, TABLE);
    expect(both.abilities.OldLoader).toEqual({ name: ['own'] });
  });

  it('tolerates a class that cannot describe itself, and numbers that JSON does not have', async () => {
    const read = await open();
    const { classes, abilities } = await read(
      '{"Odd": {"a": tru}, "Far": {"input": {"required": {"a": ["FLOAT", {"max": Infinity, "tip": "NaN"}]}}}}',
    );
    expect(classes).toEqual({ Odd: {}, Far: { input: { required: { a: ['FLOAT', { max: null, tip: 'NaN' }] } } } });
    expect(abilities).toEqual({ Odd: {}, Far: {} });
  });

  it('is refused when it is too large or not a catalogue', async () => {
    const read = await open(100);
    await expect(read(plain)).rejects.toThrow(/describes its nodes with more than \d+ bytes/);
    await expect(read('<html></html>')).rejects.toMatchObject({ code: 'comfyui_error' });
  });
});
