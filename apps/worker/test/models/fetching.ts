import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ModelRecord, modelId } from '@comfy-fleet/contracts';
import { newModel } from '@comfy-fleet/jobs';
import { createSafeHttp } from '@comfy-fleet/safe-http';
import { createLogger } from '@comfy-fleet/telemetry';
import { type ModelSource, startModelSource } from '@comfy-fleet/testing';
import { onTestFinished } from 'vitest';
import { Credentials } from '../../src/models/credentials.js';
import type { ModelFault } from '../../src/models/faults.js';
import { type FetchOptions, fetchModel } from '../../src/models/fetch-model.js';
import { FolderOnDisk } from '../../src/models/folder.js';
import type { Location } from '../../src/models/sources.js';

export const CELL_BYTES = 8 * 1024;
const MIB = 1024 * 1024;

export interface Fetching {
  readonly source: ModelSource;
  readonly folder: FolderOnDisk;
  /** The registered records, with what was pinned. */
  readonly records: Map<string, ModelRecord>;
  readonly options: FetchOptions;
  /** Fetches a model whose sources are paths of the source, and answers the fault, if any. */
  fetch(
    record: ModelRecord,
    more?: { peers?: readonly Location[]; signal?: AbortSignal },
  ): Promise<ModelFault | undefined>;
}

export async function temporaryFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-models-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A models folder, a source, and what is needed to fetch from one into the other. */
export async function startFetching(
  given: Partial<FetchOptions> & {
    readonly dir?: string;
    readonly maxBytes?: number;
    readonly bytesPerSecond?: number;
  } = {},
): Promise<Fetching> {
  const { dir = await temporaryFolder(), maxBytes = 1024 * MIB, bytesPerSecond, ...more } = given;
  const source = await startModelSource(bytesPerSecond === undefined ? {} : { bytesPerSecond });
  onTestFinished(() => source.close());
  const folder = await FolderOnDisk.open(dir, { maxBytes, minFreeBytes: 0 });
  const records = new Map<string, ModelRecord>();
  const options: FetchOptions = {
    folder,
    registry: {
      pin: async (model, { sha256, bytes }) => {
        const before = records.get(modelId(model));
        const after = before && { ...before, sha256: before.sha256 ?? sha256, bytes: before.bytes ?? bytes };
        if (after !== undefined) records.set(modelId(model), after);
        return after;
      },
    },
    http: createSafeHttp({ allow: [new URL(source.url).host] }),
    credentials: new Credentials([]),
    hosts: { huggingFace: source.url, civitai: source.url },
    rules: { cellBytes: CELL_BYTES, connections: 4, idleMs: 10_000, retryMs: 1 },
    allowPickle: false,
    maxUrlBytes: MIB,
    log: createLogger({ service: 'test', level: 'error', format: 'json' }),
    ...more,
  };
  return {
    source,
    folder,
    records,
    options,
    fetch: (record, { peers = [], signal = new AbortController().signal } = {}) => {
      records.set(modelId(record), record);
      return fetchModel(record, { peers, onProgress: () => undefined, signal }, options).then(
        () => undefined,
        (fault: ModelFault) => fault,
      );
    },
  };
}

/** A record of a LoRA. Sources without a scheme are paths of the source. */
export function lora(name: string, fields: Partial<ModelRecord> & Pick<ModelRecord, 'sources'>): ModelRecord {
  return newModel('loras', name, fields);
}
