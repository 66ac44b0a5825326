import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, Listener } from './client.js';
import { plainImage, textToImage } from './graphs.js';
import { ending, filesOf, Running } from './running.js';

let running: Running;
beforeEach(async () => {
  running = await Running.start({ stepMs: 2 });
});
afterEach(() => running.close());

const post = (path: string, body: unknown = {}) => ask(running.simulator.url, 'POST', path, JSON.stringify(body));

describe('a planted fault', () => {
  it('node_error with times 1 makes the named class raise once', async () => {
    running.simulator.faults.add({
      kind: 'node_error',
      node: 'VAEDecode',
      message: 'no luck',
      exceptionType: 'ValueError',
      times: 1,
    });
    const [event, error] = ending(await running.run(textToImage()));
    expect([event, error.node_id, error.exception_type, error.exception_message]).toEqual([
      'execution_error',
      '6',
      'ValueError',
      'no luck\n',
    ]);
    expect(ending(await running.run(textToImage()))[0]).toBe('execution_success');
  });

  it('without a node applies to the sampler, or to the output if there is no sampler', async () => {
    running.simulator.faults.add({ kind: 'node_error' });
    expect(ending(await running.run(textToImage()))[1].node_id).toBe('5');
    expect(ending(await running.run(plainImage(1)))[1].node_id).toBe('2');
  });

  it('out_of_memory raises the error of torch, and POST /free ends it if clearedByFree is set', async () => {
    running.simulator.faults.add({ kind: 'out_of_memory', clearedByFree: true });
    const [event, error] = ending(await running.run(textToImage()));
    expect([event, error.exception_type]).toEqual(['execution_error', 'torch.OutOfMemoryError']);
    expect(error.exception_message).toMatch(/^Allocation on device 0 .*\n[\s\S]*ran out of memory on your GPU/);
    expect(ending(await running.run(textToImage({ seed: 2 })))[0]).toBe('execution_error');
    await post('/free', { unload_models: true, free_memory: true });
    expect(ending(await running.run(textToImage({ seed: 3 })))[0]).toBe('execution_success');
  });

  it('hang keeps the prompt running until it is interrupted', async () => {
    running.simulator.faults.add({ kind: 'hang', times: 1 });
    const id = await running.submit(textToImage());
    await running.listener.until(() =>
      running.listener.texts('executing').some(({ data }) => (data as { node: string }).node === '5'),
    );
    expect((await running.get('/queue')).queue_running).toHaveLength(1);
    await post('/interrupt', { prompt_id: id });
    await running.listener.untilEndOf(id);
    expect(ending(await running.historyOf(id))[0]).toBe('execution_interrupted');
  });

  it('hang with ignoresInterrupts continues after an interrupt until a restart', async () => {
    running.simulator.faults.add({ kind: 'hang', ignoresInterrupts: true, times: 1 });
    const id = await running.submit(textToImage());
    await running.listener.until(() =>
      running.listener.texts('executing').some(({ data }) => (data as { node: string }).node === '5'),
    );
    expect((await post('/interrupt', { prompt_id: id })).status).toBe(200);
    expect((await running.get('/queue')).queue_running).toHaveLength(1);
    running.simulator.drop();
    await expect.poll(() => running.get('/queue').catch(() => undefined)).toMatchObject({ queue_running: [] });
  });

  it('hang without times continues until it is removed, and only then is interrupted', async () => {
    const { faults } = running.simulator;
    faults.add({ kind: 'hang', ignoresInterrupts: true });
    const id = await running.submit(textToImage());
    await expect.poll(async () => (await running.get('/queue')).queue_running).toHaveLength(1);
    await post('/interrupt', { prompt_id: id });
    faults.remove();
    await running.listener.untilEndOf(id);
    expect(ending(await running.historyOf(id))[0]).toBe('execution_interrupted');
  });

  it('hang with ms lets the prompt continue after that time', async () => {
    running.simulator.faults.add({ kind: 'hang', ms: 20, ignoresInterrupts: true, times: 1 });
    expect(ending(await running.run(textToImage()))[0]).toBe('execution_success');
  });

  it('corrupt_model raises the error of safetensors in nodes that load the file, and only there', async () => {
    const { faults } = running.simulator;
    faults.add({ kind: 'corrupt_model', file: 'v1-5-pruned-emaonly.safetensors' });
    const loading = (file: string) => {
      const graph = textToImage();
      const loader = graph[1] as { inputs: object };
      Object.assign(loader.inputs, { ckpt_name: file });
      return graph;
    };
    const [event, error] = ending(await running.run(loading('v1-5-pruned-emaonly.safetensors')));
    expect([event, error.exception_type, error.exception_message]).toEqual([
      'execution_error',
      'safetensors_rust.SafetensorError',
      'Error while deserializing header: HeaderTooLarge\n',
    ]);
    expect(ending(await running.run(loading('sd_xl_base_1.0.safetensors')))[0]).toBe('execution_success');
  });

  it('dead_executor accepts prompts but starts none until it is removed or a restart', async () => {
    const { faults } = running.simulator;
    const { id: planted } = faults.add({ kind: 'dead_executor' });
    const id = await running.submit(plainImage(1));
    expect((await running.get('/queue')).queue_pending).toHaveLength(1);
    faults.remove((fault) => fault.id === planted);
    await running.listener.untilEndOf(id);
    expect(ending(await running.historyOf(id))[0]).toBe('execution_success');
    faults.add({ kind: 'dead_executor' });
    running.simulator.drop();
    expect(faults.list()).toEqual([]);
  });

  it('silent_socket with times 1 sends nothing during a prompt, which still gets its history', async () => {
    running.simulator.faults.add({ kind: 'silent_socket', times: 1 });
    const before = running.listener.frames.length;
    const id = await running.submit(plainImage(1));
    await expect.poll(() => running.historyOf(id)).toBeDefined();
    await running.run(plainImage(2));
    const mine = running.listener.frames.slice(before).filter((frame) => JSON.stringify(frame).includes(id));
    expect(mine).toEqual([]);
  });

  it('silent_socket without times sends nothing until it is removed', async () => {
    const [fault] = [running.simulator.faults.add({ kind: 'silent_socket' })];
    const before = running.listener.frames.length;
    const id = await running.submit(plainImage(1));
    await expect.poll(() => running.historyOf(id)).toBeDefined();
    expect(running.listener.frames.length).toBe(before);
    running.simulator.faults.remove(({ id: planted }) => planted === fault.id);
    await running.run(plainImage(2));
  });

  it('error_after_accepting answers 500 but runs the prompt', async () => {
    running.simulator.faults.add({ kind: 'error_after_accepting', times: 1 });
    const id = '11111111-2222-4333-8444-555555555555';
    const { status } = await post('/prompt', { prompt: plainImage(1), prompt_id: id, client_id: 'me' });
    await running.listener.untilEndOf(id);
    expect([status, ending(await running.historyOf(id))[0]]).toEqual([500, 'execution_success']);
  });

  it('reset_after_accepting resets the connection but runs the prompt; reset_before_accepting does not run it', async () => {
    const [kept, gone] = ['11111111-2222-4333-8444-555555555555', '11111111-2222-4333-8444-666666666666'];
    running.simulator.faults.add({ kind: 'reset_before_accepting', times: 1 });
    await expect(post('/prompt', { prompt: plainImage(1), prompt_id: gone })).rejects.toThrow(/ECONNRESET|hang up/);
    running.simulator.faults.add({ kind: 'reset_after_accepting', times: 1 });
    await expect(post('/prompt', { prompt: plainImage(2), prompt_id: kept, client_id: 'me' })).rejects.toThrow(
      /ECONNRESET|hang up/,
    );
    await running.listener.untilEndOf(kept);
    expect(Object.keys(await running.get('/history'))).toEqual([kept]);
  });

  it('slow_view limits the speed of GET /view', async () => {
    const [file] = filesOf(await running.run(textToImage({ width: 256, height: 256 })));
    running.simulator.faults.add({ kind: 'slow_view', ms: 30, bytesPerSecond: 200_000, times: 1 });
    const began = performance.now();
    const { bytes } = await ask(running.simulator.url, 'GET', `/view?filename=${file}`);
    expect(performance.now() - began).toBeGreaterThan(30 + (bytes.length / 200_000) * 1000 * 0.7);
    expect(bytes.subarray(1, 4).toString()).toBe('PNG');
  });

  it('lost_history runs the prompt to its end without a history entry', async () => {
    running.simulator.faults.add({ kind: 'lost_history', times: 1 });
    const id = await running.submit(plainImage(1));
    await running.listener.untilEndOf(id);
    expect(await running.get(`/history/${id}`)).toEqual({});
  });

  it('lost_prompt drops the running prompt midway and runs the next one', async () => {
    running.simulator.faults.add({ kind: 'lost_prompt', times: 1 });
    const lost = await running.submit(textToImage({ steps: 6 }));
    const entry = await running.run(plainImage(1));
    expect(ending(entry)[0]).toBe('execution_success');
    expect(await running.get(`/history/${lost}`)).toEqual({});
    const steps = running.listener
      .texts('progress')
      .filter(({ data }) => (data as { prompt_id: string }).prompt_id === lost);
    expect(steps).toHaveLength(2);
  });

  it('crash in an embedded simulator loses connections, queue and history, but no files', async () => {
    const [file] = filesOf(await running.run(plainImage(1)));
    running.simulator.faults.add({ kind: 'crash', times: 1 });
    const closed = new Promise((resolve) => running.listener.socket.once('close', resolve));
    await running.submit(textToImage({ steps: 4 }));
    await running.submit(plainImage(2));
    await closed;
    const { url } = running.simulator;
    const queue = JSON.parse((await ask(url, 'GET', '/queue')).bytes.toString());
    expect([queue, await running.get('/history')]).toEqual([{ queue_running: [], queue_pending: [] }, {}]);
    expect((await ask(url, 'GET', `/view?filename=${file}`)).status).toBe(200);
    const again = await new Listener(url, 'again').open();
    const answer = JSON.parse((await post('/prompt', { prompt: plainImage(3), client_id: 'again' })).bytes.toString());
    expect(answer.number).toBe(0);
    await again.untilEndOf(answer.prompt_id);
    again.socket.terminate();
  });

  it('with a probability follows the seeded random numbers', async () => {
    const { faults } = running.simulator;
    const row = () => {
      faults.reseed(7);
      return Array.from({ length: 40 }, () => faults.take('lost_history') !== undefined);
    };
    faults.add({ kind: 'lost_history', probability: 0.3 });
    const first = row();
    expect(row()).toEqual(first);
    expect(first.filter(Boolean).length).toBeGreaterThan(4);
    expect(first.filter(Boolean).length).toBeLessThan(24);
  });
});
