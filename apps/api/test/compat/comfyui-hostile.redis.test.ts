import { expect, it } from 'vitest';
import { openComfyui } from './comfyui-api.js';

const empty = { class_type: 'EmptyImage', inputs: { width: 64, height: 64, batch_size: 1, color: 0 } };
const save = (images: unknown) => ({ class_type: 'SaveImage', inputs: { images, filename_prefix: 'x' } });
const good = { 1: empty, 2: save(['1', 0]) };
const sized = (width: unknown) => ({ ...good, 1: { ...empty, inputs: { ...empty.inputs, width } } });
const loading = (image: unknown) => ({ ...good, 1: { class_type: 'LoadImage', inputs: { image } } });
const titled = (_meta: unknown) => ({ ...good, 2: { ...save(['1', 0]), _meta } });

const GRAPHS: readonly unknown[] = [
  ...[
    null,
    [],
    'x',
    5,
    false,
    {},
    { 1: null },
    { 1: [] },
    { 1: 5 },
    { 1: {} },
    { 1: { class_type: null, inputs: {} } },
  ],
  ...[{}, [], null, 'x', undefined].map((inputs) => ({ 1: { class_type: 'SaveImage', inputs } })),
  ...[['1', 99], ['1', -1], ['1', 1.5], ['1', '0'], [1, 0], ['9', 0], ['2', 0], {}, null, 'x'].map((link) => ({
    ...good,
    2: save(link),
  })),
  ...['NaN', {}, [1, 2, 3], null, true, 1e300].map(sized),
  ...[5, null, '', '\u0000.png', 'x'.repeat(5000), '\ud800.png', `${'0'.repeat(36)}_1.png [output]`].map(loading),
  ...[null, [], 'x', { title: 5 }, { title: 'output:!!' }, { title: 'input:x.y' }].map(titled),
  ...['constructor', '__proto__', 'count', '', {}].map((class_type) => ({ 1: { class_type, inputs: {} } })),
  ...['', 'a/b~c', 'constructor', 'toString'].map((id) => ({ [id]: empty, 2: save([id, 0]) })),
];

const FIELDS: readonly object[] = [
  ...['x', '5', {}, null, 1e300].map((number) => ({ number })),
  ...['x', {}, 0].map((front) => ({ front })),
  ...[{}, 5, 'x'.repeat(1000), '\ud800', null].map((client_id) => ({ client_id })),
  ...[null, 'x', [], { client_id: {} }, { extra_pnginfo: 5 }, { extra_pnginfo: { workflow: 5 } }].map((extra_data) => ({
    extra_data,
  })),
  ...[5, 'k'.repeat(600), ''].map((api_key_comfy_org) => ({ extra_data: { api_key_comfy_org } })),
  ...[5, 'x', [], [5], ['2'], ['9'], null].map((partial_execution_targets) => ({ partial_execution_targets })),
  ...[5, '', [], null].map((prompt_id) => ({ prompt_id })),
];

const PLACE = '"__proto__":{"class_type":"SaveImage","inputs":{"images":["1",0],"filename_prefix":"x"}}';
const TEXTS = [
  ...['', 'x', '[]', '1', 'null', '"x"', '{"__proto__":{"prompt":{}}}', `{"prompt":{${PLACE}}}`],
  `{"prompt":{"1":${JSON.stringify(empty)},${PLACE}}}`,
  `{"prompt":${JSON.stringify(good)},"extra_data":{"__proto__":{"a":1},"b":18446744073709551615}}`,
];

it('answers any prompt with 200 or 400 and JSON, and lists every accepted prompt in the queue', async () => {
  const { api, anna } = await openComfyui();
  const bodies = [
    ...TEXTS,
    ...GRAPHS.map((prompt) => JSON.stringify({ prompt })),
    ...FIELDS.map((more) => JSON.stringify({ prompt: good, ...more })),
  ];
  const taken: string[] = [];
  for (const body of bodies) {
    const answer = await fetch(`${anna.base}/prompt`, { method: 'POST', body });
    const reply = (await answer.json()) as { prompt_id?: string; error?: { type: string }; node_errors: object };
    expect([body, answer.status]).toEqual([body, reply.error === undefined ? 200 : 400]);
    expect([body, reply.node_errors]).toEqual([body, expect.any(Object)]);
    if (reply.prompt_id !== undefined) taken.push(reply.prompt_id);
  }
  const { queue_pending } = await anna.get('/queue');
  expect((queue_pending as unknown as [number, string][]).map(([, id]) => id)).toEqual(taken);
  expect(taken.length).toBeGreaterThan(20);
  expect(api.logged.filter(({ level }) => level === 'error')).toEqual([]);
});

it.each(['/prompt', '/api/v2/jobs'])(
  '%s lists at most 50 errors of a graph, and says how many more there are',
  async (path) => {
    const { api, anna } = await openComfyui();
    const id = (n: number) => `${n}`.padEnd(64, 'x');
    const bad = Object.fromEntries(Array.from({ length: 400 }, (_, n) => [id(n), save(['y'.repeat(900), 0])]));
    const wide = {
      ...good,
      3: { ...empty, inputs: { ...empty.inputs, width: 'z'.repeat(100_000) } },
      4: save(['3', 0]),
    };
    const send = (graph: object) =>
      path === '/prompt'
        ? anna.post(path, { prompt: graph })
        : api.post(path, { workflow: graph }, { headers: { Authorization: 'Bearer anna' } });
    for (const [graph, expected] of [
      [bad, '"and 350 more"'],
      [{ ...bad, ...good }, '"and 350 more"'],
      [wide, 'zzz…'],
    ] as const) {
      const text = await (await send(graph)).text();
      expect([text.length < 200_000, text.includes(expected)]).toEqual([true, true]);
      expect(text.split('"type":').length).toBeLessThan(55);
    }
  },
);

it('answers any path without an internal error', async () => {
  const { api, anna } = await openComfyui();
  const view = ['%00.png', 'x%ff', 'x'.repeat(3000), '.', '%2e%2e', 'x&type=temp&preview=;;', 'x&channel=a'];
  const paths = [
    ...view.flatMap((name) => [`/view?filename=${name}`, `/view?filename=${name}&type=input&subfolder=%00`]),
    ...['__proto__', 'constructor', '%2e%2e', '%00', '%E0%A4%A'].flatMap((name) =>
      ['/object_info/', '/models/', '/history/', '/api/jobs/'].map((place) => place + name),
    ),
    ...['-1', '-5', '99999999999999999', ''].flatMap((n) => [`/history?max_items=${n}`, `/history?offset=${n}`]),
    '/api/jobs?status=,',
  ];
  for (const path of paths) {
    const { status } = await fetch(anna.base + path);
    expect([path, [200, 400, 404].includes(status)]).toEqual([path, true]);
  }
  const names = ['..', 'a/b.png', '\u0000', `${'x'.repeat(400)}.png`];
  const folders = ['\u0000', 'a/../../b', '/abs', 'a\\b', 'x'.repeat(400)].map((subfolder) => ({ subfolder }));
  for (const [name, fields] of [
    ...names.map((name) => [name, {}] as const),
    ...[...folders, { overwrite: 'maybe' }, { type: 'nope' }].map((more) => ['x.png', more] as const),
  ]) {
    const { status } = await anna.upload(name, Buffer.from('no picture'), fields as Record<string, string>);
    expect([name, fields, [200, 400].includes(status)]).toEqual([name, fields, true]);
  }
  expect(api.logged.filter(({ level }) => level === 'error')).toEqual([]);
});
