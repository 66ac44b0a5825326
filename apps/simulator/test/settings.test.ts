import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SettingsError } from '../src/settings.js';
import { type Simulator, startSimulator } from '../src/simulator.js';
import { ask, askJson } from './client.js';
import { textToImage } from './graphs.js';

let simulator: Simulator;
beforeEach(async () => {
  simulator = await startSimulator();
});
afterEach(() => simulator.close());

const send = async (method: string, path: string, body: unknown) => {
  const { status, bytes } = await ask(simulator.url, method, path, JSON.stringify(body), {});
  return { status, body: bytes.length === 0 ? null : JSON.parse(bytes.toString()) };
};

describe('PATCH /simulator/settings', () => {
  it('takes effect from the next request', async () => {
    const { status, body } = await send('PATCH', '/simulator/settings', {
      version: '0.33.0',
      checkpoints: ['only.safetensors'],
      step_ms: 3.5,
    });
    expect([status, body.version, body.step_ms]).toEqual([200, '0.33.0', 3.5]);
    expect(await askJson(simulator.url, 'GET', '/models/checkpoints')).toEqual(['only.safetensors']);
    const refused = await send('POST', '/prompt', { prompt: textToImage() });
    expect(refused.body.node_errors['1'].errors[0].details).toBe(
      "ckpt_name: 'sd_xl_base_1.0.safetensors' not in ['only.safetensors']",
    );
    expect((await ask(simulator.url, 'GET', '/api/jobs')).status).toBe(200);
  });

  it('answers 400 with every error and changes nothing if a value is invalid', async () => {
    const before = await send('GET', '/simulator/settings', {});
    const { status, body } = await send('PATCH', '/simulator/settings', { step_ms: -1, version: '1.0', no_such: 1 });
    expect(status).toBe(400);
    expect(body.errors.join('; ')).toMatch(/stepMs/);
    expect(body.errors.join('; ')).toMatch(/version/);
    expect(body.errors.join('; ')).toMatch(/noSuch/);
    expect((await send('GET', '/simulator/settings', {})).body).toEqual(before.body);
  });

  it('refuses a body that is not an object', async () => {
    expect((await send('PATCH', '/simulator/settings', [1])).body).toEqual({
      errors: ['the body must be a JSON object'],
    });
  });
});

describe('/simulator/faults', () => {
  it('plants, lists and removes faults', async () => {
    const planted = await send('POST', '/simulator/faults', { kind: 'slow_view', bytes_per_second: 10, times: 2 });
    expect(planted).toEqual({ status: 201, body: { kind: 'slow_view', bytes_per_second: 10, times: 2, id: 1 } });
    await send('POST', '/simulator/faults', { kind: 'hang' });
    expect((await send('DELETE', '/simulator/faults/1', {})).status).toBe(204);
    expect((await send('GET', '/simulator/faults', {})).body).toEqual([{ kind: 'hang', id: 2 }]);
    expect((await send('DELETE', '/simulator/faults/1', {})).status).toBe(404);
    await send('DELETE', '/simulator/faults', {});
    expect(simulator.faults.list()).toEqual([]);
  });

  it('names the valid kinds, or the fields of a kind, if a fault is invalid', async () => {
    const unknown = await send('POST', '/simulator/faults', { kind: 'fire' });
    expect([unknown.status, unknown.body.errors[0]]).toEqual([
      400,
      expect.stringContaining('kind must be one of node_error, '),
    ]);
    const wrong = await send('POST', '/simulator/faults', { kind: 'hang', times: 0 });
    expect([wrong.status, wrong.body.errors[0]]).toEqual([
      400,
      expect.stringContaining('hang takes kind, node, ms, ignoresInterrupts, times, probability'),
    ]);
  });
});

describe('startSimulator', () => {
  it('rejects invalid settings', async () => {
    await expect(startSimulator({ stepMs: -5 })).rejects.toThrow(SettingsError);
  });

  it('rejects a port that is taken', async () => {
    await expect(startSimulator({ port: simulator.port })).rejects.toThrow(/EADDRINUSE/);
  });

  it('shows the devices of the settings', async () => {
    simulator.set({ deviceCount: 2, deviceName: 'GPU X', vramBytes: 1234 });
    const { devices } = await askJson(simulator.url, 'GET', '/system_stats');
    expect(devices).toMatchObject([
      { name: 'cuda:0 GPU X : cudaMallocAsync', type: 'cuda', index: 0, vram_total: 1234 },
      { name: 'cuda:1 GPU X : cudaMallocAsync', index: 1 },
    ]);
  });
});
