import { type Job, newId } from '@comfy-fleet/contracts';
import { PICTURE } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { startApi, type TestApi } from './api.js';
import { finishedImage, finishJob } from './finished-image.js';
import { drawing, inverting, publish, publishRealCatalogue, redrawing, refusal, twoPasses } from './runnable.js';

let api: TestApi;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'));
  await publishRealCatalogue(api);
  await publish(api, 'drawing', drawing());
  await publish(api, 'redrawing', redrawing());
  await publish(api, 'inverting', inverting());
  await publish(api, 'hires', twoPasses());
});
afterAll(() => api.close());

const run = (body: object, name = 'drawing', init: RequestInit = {}) => api.post(`/workflows/${name}`, body, init);
async function accepted(answer: Response | Promise<Response>): Promise<Job> {
  const response = await answer;
  if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`);
  return (await response.json()) as Job;
}
const png = () => new Blob([Buffer.from(PICTURE, 'base64')], { type: 'image/png' });
/** A form, with a picture in the field `picture`. */
function form(fields: Record<string, string>, picture?: string): RequestInit {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  if (picture !== undefined) body.set(picture, png(), 'a.png');
  return { method: 'POST', body };
}

describe('POST /workflows/:name', () => {
  it('takes named inputs, and uses the saved values of the workflow for the others', async () => {
    const job = await accepted(run({ inputs: { scene: 'a harbour', steps: 9 }, priority: 1, metadata: { a: 'b' } }));
    expect(job).toMatchObject({ kind: 'workflow', lod: null, steps: 9, cfg: 8, metadata: { a: 'b' } });
    expect(job.request).toMatchObject({
      priority: 1,
      workflow: 'drawing',
      inputs: { scene: 'a harbour', style: 'add_detail.safetensors', width: 512, sampler: 'euler' },
    });
    expect(job.seed).not.toBe(7);
  });

  it('uses the values of the level of detail, except for inputs that the request sets', async () => {
    const job = await accepted(run({ lod: 'sketch', inputs: { cfg: 3 } }));
    expect([job.lod, job.steps, job.cfg]).toEqual(['sketch', 8, 3]);
  });

  it.each([
    ['an unknown input', { scen: 'x' }, { pointer: '/inputs/scen', detail: expect.stringContaining('scene') }],
    ['a wrong type', { steps: 'many' }, { pointer: '/inputs/steps', detail: 'must be a whole number' }],
    ['too large a number', { steps: 20_000 }, { pointer: '/inputs/steps', detail: 'must be 150 or less' }],
    ['too small a number', { steps: 0 }, { pointer: '/inputs/steps', detail: expect.stringContaining('1') }],
    [
      'an unknown option',
      { sampler: 'euler_x' },
      { pointer: '/inputs/sampler', detail: expect.stringContaining('euler') },
    ],
    ['an invalid seed', { seed: '99999999999999999999' }, { pointer: '/inputs/seed', detail: expect.any(String) }],
    ['a rounded seed', { seed: 2 ** 60 }, { pointer: '/inputs/seed', detail: expect.any(String) }],
    ['a list', { scene: ['x'] }, { pointer: '/inputs/scene', detail: expect.any(String) }],
    ['null', { scene: null }, { pointer: '/inputs/scene', detail: expect.any(String) }],
    ['__proto__', JSON.parse('{"__proto__": 1}'), { pointer: '/inputs/__proto__', detail: expect.any(String) }],
  ])('refuses %s and names the field', async (_what, inputs, error) => {
    expect(await refusal(await run({ inputs }))).toEqual(['validation_failed', error]);
  });

  it('refuses inputs that are not an object', async () => {
    for (const inputs of [[], 'x', null]) {
      expect((await refusal(await run({ inputs })))[1]).toMatchObject({ pointer: '/inputs' });
    }
  });

  it('answers briefly although there are thousands of options', async () => {
    const answer = await run({ inputs: { style: 'style_77.safetensor' } });
    const text = await answer.text();
    expect([answer.status, text.length < 5000]).toEqual([422, true]);
    expect(text).toContain('/inputs/style');
    expect(text).toContain('style_77.safetensors');
  });

  it('refuses a missing file, and the name of a file on the instance', async () => {
    expect(await refusal(await run({}, 'inverting'))).toMatchObject([
      'validation_failed',
      { pointer: '/inputs/image', detail: 'is required' },
    ]);
    for (const image of ['example.png', '../example.png', 'example.png [output]', 'asset:x', 'job:x/0', '']) {
      expect((await refusal(await run({ inputs: { image } }, 'inverting')))[1], image).toMatchObject({
        pointer: '/inputs/image',
      });
    }
  });

  it('refuses an unknown output and suggests the nearest one', async () => {
    expect(await refusal(await run({ outputs: ['negativ'] }))).toMatchObject([
      'validation_failed',
      { pointer: '/outputs/0', detail: expect.stringContaining('negative') },
    ]);
    const job = await accepted(run({ outputs: ['negative'] }));
    expect(job.request).toMatchObject({ outputs: ['negative'] });
  });

  it('answers workflow_not_found for an unknown workflow', async () => {
    expect(await refusal(await run({}, 'drawin'))).toEqual(['workflow_not_found']);
  });

  it('refuses a model and a node class that no instance has', async () => {
    const graph = drawing();
    Object.assign(graph[1]?.inputs ?? {}, { ckpt_name: 'gone.safetensors' });
    await publish(api, 'gone', graph);
    const [code, error] = await refusal(await run({ inputs: {} }, 'gone'));
    expect([code, error?.pointer]).toEqual(['no_able_instance', '/inputs/checkpoint']);
    expect(error?.detail).toContain('gone.safetensors');
    await publish(api, 'odd', { ...drawing(), 8: { class_type: 'OddNode', inputs: { image: ['6', 0] } } });
    expect(await refusal(await run({ inputs: {} }, 'odd'))).toMatchObject([
      'no_able_instance',
      { detail: expect.stringContaining('OddNode') },
    ]);
  });

  it('takes a form: files under the names of their inputs, other inputs as fields or as JSON', async () => {
    const send = (fields: Record<string, string>, picture?: string) =>
      api.get('/workflows/redrawing', form(fields, picture));
    const apart = await accepted(send({ scene: 'a harbour', steps: '9', priority: '1' }, 'image'));
    const together = await accepted(send({ inputs: '{"scene": "a harbour", "steps": 9}', priority: '1' }, 'image'));
    for (const { steps, request } of [apart, together]) {
      expect([steps, request.priority]).toEqual([9, 1]);
      expect(request).toMatchObject({ inputs: { scene: 'a harbour', image: { kind: 'image' } } });
    }
    expect((await refusal(await send({ scen: 'x' }, 'image')))[1]).toMatchObject({ pointer: '/inputs/scen' });
    const [, ...places] = await refusal(await send({}, 'imag'));
    expect(places.map(({ pointer }) => pointer)).toEqual(['/inputs/image', '/inputs/imag']);
    const twice = await refusal(await send({ inputs: '{"image": "https://example.com/a.png"}' }, 'image'));
    expect(twice[1]).toEqual({ pointer: '/inputs/image', detail: 'is given twice: as a file and as text' });
    expect(await refusal(await api.get('/workflows/drawing', form({}, 'scene')))).toEqual([
      'validation_failed',
      { pointer: '/inputs/scene', detail: 'takes no file' },
    ]);
  });

  it('takes an asset, and an output of an earlier job by name and by number', async () => {
    const asset = (await (await api.get('/assets', form({}, 'file'))).json()) as { id: string };
    await accepted(run({ inputs: { image: `asset:${asset.id}` } }, 'inverting'));
    const made = await accepted(run({ priority: 2 }));
    await finishJob(api, made.id);
    for (const output of ['image', '0']) {
      const job = await accepted(run({ inputs: { image: `job:${made.id}/${output}` } }, 'inverting'));
      expect(job.request).toMatchObject({ inputs: { image: { source: finishedImage(made.id).file } } });
    }
    expect((await refusal(await run({ inputs: { image: `job:${made.id}/x` } }, 'inverting')))[1]).toMatchObject({
      pointer: '/inputs/image',
    });
  });

  it('creates one job for one Idempotency-Key, and refuses the key with another file', async () => {
    const headers = { 'Idempotency-Key': newId() };
    const send = (body: RequestInit) => api.get('/workflows/inverting', { ...body, headers });
    const first = await accepted(send(form({}, 'image')));
    const again = await send(form({}, 'image'));
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect((await accepted(again)).id).toBe(first.id);
    const other = new FormData();
    other.set('image', new Blob([Buffer.concat([Buffer.from(PICTURE, 'base64'), Buffer.from('x')])]), 'a.png');
    expect(await refusal(await send({ method: 'POST', body: other }))).toEqual(['idempotency_key_reused']);
  });

  it('applies Prefer: wait', async () => {
    const answer = await run({}, 'drawing', { headers: { Prefer: 'wait=1' } });
    expect([answer.status, answer.headers.get('preference-applied')]).toEqual([202, 'wait=1']);
    await answer.text();
  });
});

describe('a job of a workflow', () => {
  it('has a level of detail only if the request named one, in lists too', async () => {
    const metadata = { of: 'levels' };
    const plain = await accepted(run({ metadata }));
    const named = await accepted(run({ metadata, lod: 'mid' }));
    expect([plain, named].map(({ lod, request }) => [lod, request.lod])).toEqual([
      [null, null],
      ['mid', 'mid'],
    ]);
    const list = await api.get('/jobs?lod=mid&metadata.of=levels');
    expect(((await list.json()) as { data: Job[] }).data.map(({ id }) => id)).toEqual([named.id]);
  });

  it('can be refined if the workflow starts from a picture, and is refused with the reason otherwise', async () => {
    const send = form(
      { inputs: '{"scene": "a harbour", "denoise": 0.9, "seed": 5}', lod: 'sketch', priority: '2' },
      'image',
    );
    const made = await accepted(api.get('/workflows/redrawing', send));
    await finishJob(api, made.id);
    const refined = await accepted(api.post(`/jobs/${made.id}/refine`, { lod: 'mid' }));
    expect(refined).toMatchObject({ lod: 'mid', seed: 5, steps: 18, parent: { relation: 'refine' } });
    expect(refined.request).toMatchObject({
      workflow: 'redrawing',
      inputs: { scene: 'a harbour', denoise: 0.55, image: { source: finishedImage(made.id).file } },
    });
    const plain = await accepted(run({ lod: 'sketch', priority: 2 }));
    await finishJob(api, plain.id);
    const answer = await api.post(`/jobs/${plain.id}/refine`, { lod: 'mid' });
    expect(await answer.text()).toContain('no input for a picture to start from');
    expect(answer.status).toBe(422);
  });

  it('is retried with the same inputs and version', async () => {
    const made = await accepted(run({ inputs: { scene: 'a harbour', seed: '18446744073709551615' }, priority: 2 }));
    await finishJob(api, made.id);
    const again = await accepted(api.post(`/jobs/${made.id}/retry`, {}));
    expect(again.request).toEqual(made.request);
    expect(again.parent).toEqual({ id: made.id, relation: 'retry' });
  });
});

describe('a workflow with two samplers that were saved with different seeds', () => {
  const retried = async (query: string) => {
    const made = await accepted(run({}, 'hires'));
    await finishJob(api, made.id);
    return { made: seedsOf(made), again: seedsOf(await accepted(api.post(`/jobs/${made.id}/retry${query}`, {}))) };
  };
  const seedsOf = ({ request }: Job) => {
    const { seed, seed_2 } = request.inputs as Record<string, string | number>;
    return [`${seed}`, `${seed_2}`];
  };

  it('gets a random seed for each, which the job shows and a retry repeats', async () => {
    const { made, again } = await retried('');
    expect(made[0]).not.toBe(made[1]);
    expect(made).not.toEqual(['7', '8']);
    expect(again).toEqual(made);
  });

  it('gets a new random seed for each with ?seed=random', async () => {
    const { made, again } = await retried('?seed=random');
    expect(new Set([...made, ...again]).size).toBe(4);
  });

  it('gets the same seed for both with ?seed=5', async () => {
    expect((await retried('?seed=5')).again).toEqual(['5', '5']);
  });
});

describe('POST /jobs/batch', () => {
  it('gives 120 jobs ids in the order of the request, so that lists keep that order', async () => {
    const jobs = Array.from({ length: 120 }, (_, n) => ({ prompt: `picture ${n}` }));
    const answer = await api.post('/jobs/batch', { jobs });
    const ids = ((await answer.json()) as { data: { id: string }[] }).data.map(({ id }) => id);
    expect(ids).toHaveLength(120);
    expect(ids).toEqual([...ids].sort());
  });

  it('takes workflows and graphs as well as pictures, and names the field of an invalid entry', async () => {
    const jobs: object[] = [
      { prompt: 'x' },
      { kind: 'workflow', workflow: 'drawing', inputs: { scene: 'y' }, lod: 'sketch' },
      { kind: 'graph', graph: drawing(), outputs: ['picture'] },
    ];
    const answer = await api.post('/jobs/batch', { jobs });
    expect(answer.status).toBe(202);
    const { data } = (await answer.json()) as { data: { id: string }[] };
    const made = await Promise.all(data.map(({ id }) => api.job(id)));
    expect(made.map(({ kind, request }) => [kind, request.workflow])).toEqual([
      ['text2img', 'text2img'],
      ['workflow', 'drawing'],
      ['workflow', 'graph'],
    ]);
    const wrong = async (entry: object) =>
      (await refusal(await api.post('/jobs/batch', { jobs: [...jobs, entry] })))[1];
    expect(await wrong({ kind: 'workflow', workflow: 'drawing', inputs: { scen: 'y' } })).toMatchObject({
      pointer: '/jobs/3/inputs/scen',
    });
    expect(await wrong({ kind: 'workflow' })).toMatchObject({ pointer: '/jobs/3/workflow' });
    expect(await wrong({ kind: 'graph' })).toMatchObject({ pointer: '/jobs/3/graph' });
    expect(await wrong({ kind: 'graph', graph: { nodes: [], links: [] } })).toMatchObject({ pointer: '/jobs/3/graph' });
    expect(await wrong({ kind: 'workflow', workflow: 'nothing' })).toMatchObject({ pointer: '/jobs/3/workflow' });
  });

  it('takes a graph with a seed that JavaScript numbers would round', async () => {
    const text = JSON.stringify({ jobs: [{ kind: 'graph', graph: drawing() }] });
    const body = text.replace('"seed":7', '"seed":18446744073709551615');
    const answer = await api.get('/jobs/batch', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
    });
    const { data } = (await answer.json()) as { data: { id: string }[] };
    const kept = await api.get(`/api/v2/jobs/${data[0]?.id}/workflow`);
    expect(await kept.text()).toContain('18446744073709551615');
  });
});
