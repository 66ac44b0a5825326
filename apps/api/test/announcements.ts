import type { InstanceAnnouncement, ModelFolder, WorkerAnnouncement } from '@comfy-fleet/contracts';

export function anInstance(overrides: Partial<InstanceAnnouncement> = {}): InstanceAnnouncement {
  return {
    name: 'gpu-1/1',
    pools: ['default'],
    state: 'up',
    since: Date.now(),
    reason: null,
    rests: [],
    vram: 24 * 1024 ** 3,
    drains: false,
    running: null,
    waiting: [],
    collecting: [],
    busyShare: 0,
    done: 0,
    failed: 0,
    checkpoint: null,
    models: [],
    cleansOutputs: true,
    cleansInputs: true,
    exposures: [],
    encodeAhead: { state: 'off', why: 'unknown', text: 'too few prompts were observed yet' },
    ...overrides,
  };
}

export function aWorker(overrides: Partial<WorkerAnnouncement> = {}): WorkerAnnouncement {
  const now = Date.now();
  return {
    name: 'gpu-1',
    startedAt: now,
    seenAt: now,
    pools: ['default'],
    draining: false,
    storeFault: null,
    ports: [],
    instances: [anInstance({ pools: overrides.pools ?? ['default'] })],
    ...overrides,
  };
}

export function aFolder(overrides: Partial<ModelFolder> = {}): ModelFolder {
  return {
    id: 'f1',
    worker: 'gpu-1',
    instances: ['gpu-1/1'],
    pools: ['default'],
    peer_url: null,
    max_bytes: 10_000,
    used_bytes: 0,
    bytes_per_second: 100,
    seen_at: Date.now(),
    ...overrides,
  };
}
