import type { Fleet, Model } from '@comfy-fleet/client';
import { connect } from '../callers/connect.js';
import type { JsonOptions } from '../callers/options.js';
import type { CommandIo } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { plain } from '../text.js';
import { followFetch, followVerify } from './follow-model.js';
import { modelsTable, modelText } from './model-text.js';
import { nameOfSource, readModelName } from './source-name.js';

export interface AddOptions extends JsonOptions {
  readonly kind?: string;
  readonly name?: string;
  readonly sha256?: string;
  readonly keys?: readonly string[];
  readonly pin?: readonly string[];
  readonly fetch: boolean;
}

export interface FetchOptions extends JsonOptions {
  readonly pools?: readonly string[];
}

/** Registers a model, and fetches it unless told not to. Resolves to the exit code, as all of these. */
export async function add(sources: readonly string[], options: AddOptions, io: CommandIo): Promise<number> {
  const { sha256, keys, pin, fetch: isFetched } = options;
  const { kind, name } = nameOfSource(sources[0] ?? '', {
    ...(options.kind === undefined ? {} : { kind: options.kind }),
    ...(options.name === undefined ? {} : { name: options.name }),
  });
  const fleet = await connect(options, io);
  const model = await fleet.models.put(kind, name, {
    sources: [...sources],
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(keys === undefined ? {} : { keys: [...keys] }),
    ...(pin === undefined ? {} : { pinned_in: [...pin] }),
  });
  if (isFetched) return fetchModel(fleet, model, options, io);
  printModel(model, options, io);
  return EXIT.done;
}

export async function fetch(given: string, options: FetchOptions, io: CommandIo): Promise<number> {
  const { kind, name } = readModelName(given);
  const fleet = await connect(options, io);
  return fetchModel(fleet, await fleet.models.get(kind, name), options, io);
}

async function fetchModel(fleet: Fleet, before: Model, options: FetchOptions, io: CommandIo): Promise<number> {
  const { kind, name } = before;
  await fleet.models.fetch(kind, name, options.pools === undefined ? {} : { pools: options.pools });
  const { model, code } = await followFetch(fleet, before, options, io);
  printModel(model, options, io);
  return code;
}

export async function verify(given: string, options: JsonOptions, io: CommandIo): Promise<number> {
  const { kind, name } = readModelName(given);
  const fleet = await connect(options, io);
  const before = await fleet.models.get(kind, name);
  await fleet.models.verify(kind, name);
  const { model, code } = await followVerify(fleet, before, options, io);
  printModel(model, options, io);
  return code;
}

export async function list(options: JsonOptions, io: CommandIo): Promise<number> {
  const { terminal, result, info } = io;
  const models = await (await connect(options, io)).models.list();
  if (terminal === undefined || options.json === true) {
    for (const model of models.data) result(JSON.stringify(model));
  } else if (models.data.length === 0)
    info('There are no models that your key may use. comfy-fleet models add registers one.');
  else result(modelsTable(models, terminal));
  return EXIT.done;
}

export async function show(given: string, options: JsonOptions, io: CommandIo): Promise<number> {
  const { kind, name } = readModelName(given);
  printModel(await (await connect(options, io)).models.get(kind, name), options, io);
  return EXIT.done;
}

export async function remove(given: readonly string[], options: JsonOptions, io: CommandIo): Promise<number> {
  const models = given.map(readModelName);
  const fleet = await connect(options, io);
  for (const { kind, name } of models) {
    await fleet.models.delete(kind, name);
    io.info(plain(`${kind}/${name} is deleted.`));
  }
  return EXIT.done;
}

function printModel(model: Model, { json }: JsonOptions, { terminal, result }: CommandIo): void {
  result(terminal === undefined || json === true ? JSON.stringify(model) : modelText(model));
}
