import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { MODEL_KINDS } from '@comfy-fleet/contracts';
import { MODEL_INPUTS, showJson } from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import type { KeyOffers } from '../../models/offers.js';
import { graphPool } from '../../orders/job-specs.js';
import type { Caller } from '../../server/gate.js';
import { isRecord } from '../../server/json-body.js';
import type { ApiRequest, Reply } from '../../server/messages.js';

/** How many uploads an input that loads a file lists. */
const MAX_UPLOADS = 1000;
/** How many characters are collected before they are sent. */
const PIECE_CHARS = 64 * 1024;

const JSON_TYPE = 'application/json; charset=utf-8';

/** All node classes. Inputs that load a file list the caller's own uploads. Computing the entity tag reads no classes. */
export async function objectInfo(deps: Deps, { caller, header }: ApiRequest): Promise<Reply> {
  const pool = graphPool(deps);
  const offers = await deps.offers.to(caller);
  const [digests, models, uploads] = await Promise.all([
    deps.ledger.fleet.digests(pool),
    offers.revision(pool),
    uploadsOf(deps, caller),
  ]);
  const known = JSON.stringify([...digests, models, ...uploads]);
  const ETag = `"${createHash('sha256').update(known).digest('hex').slice(0, 32)}"`;
  const headers = { 'Content-Type': JSON_TYPE, ETag, 'Cache-Control': 'private, no-cache' };
  if (header('if-none-match') === ETag) return { status: 304, headers };
  return { status: 200, headers, body: Readable.from(inTurns(deps, caller, classTexts(offers, pool, uploads))) };
}

/** A single node class; `{}` if no instance has it. */
export async function objectInfoOf(deps: Deps, { caller, params: { name = '' } }: ApiRequest): Promise<Reply> {
  const catalogue = await (await deps.offers.to(caller)).catalogue(graphPool(deps), [name]);
  if (catalogue === undefined || !Object.hasOwn(catalogue, name)) return { status: 200, body: {} };
  const shown = shownClass(catalogue[name], await uploadsOf(deps, caller));
  return { status: 200, body: showJson({ [name]: shown }) };
}

async function* inTurns({ computing }: Deps, { id }: Caller, texts: AsyncGenerator<string>): AsyncGenerator<string> {
  const next = () => computing(id, () => texts.next());
  for (let step = await next(); !step.done; step = await next()) yield step.value;
}

async function* classTexts(offers: KeyOffers, pool: string, uploads: readonly string[]): AsyncGenerator<string> {
  let text = '{';
  let isFirst = true;
  for await (const [name, description] of offers.everything(pool)) {
    text += `${isFirst ? '' : ','}${JSON.stringify(name)}:${showJson(shownClass(description, uploads))}`;
    isFirst = false;
    if (text.length < PIECE_CHARS) continue;
    yield text;
    text = '';
  }
  yield `${text}}`;
}

function uploadsOf({ ledger }: Deps, { id }: Caller): Promise<readonly string[]> {
  return ledger.assets.names(id, MAX_UPLOADS);
}

/** The flags of inputs that load a file, with the file names that they accept. */
const UPLOADS: readonly (readonly [flag: string, pattern: RegExp])[] = [
  ['image_upload', /\.(png|jpe?g|webp|bmp|gif|tiff?|avif)$/i],
  ['video_upload', /\.(mp4|webm|mov|mkv|avi|m4v|gif)$/i],
  ['audio_upload', /\.(wav|mp3|flac|ogg|opus|m4a|aac|mp4|webm)$/i],
  ['file_upload', /./],
];

/** A node class as old clients expect it: every choice has the form `[[…], {…}]`, and files are the caller's own. */
function shownClass(description: unknown, uploads: readonly string[]): unknown {
  if (!isRecord(description) || !isRecord(description.input)) return description;
  const sections = Object.entries(description.input).map(([section, inputs]) => {
    if (!isRecord(inputs) || section === 'hidden') return [section, inputs];
    const shown = Object.entries(inputs).map(([name, described]) => [name, shownInput(described, uploads)]);
    return [section, Object.fromEntries(shown)];
  });
  return { ...description, input: Object.fromEntries(sections) };
}

function shownInput(described: unknown, uploads: readonly string[]): unknown {
  if (!Array.isArray(described)) return described;
  const [type, config] = described as unknown[];
  const more = isRecord(config) ? config : {};
  const upload = UPLOADS.find(([flag]) => more[flag] === true);
  const isChoice = Array.isArray(type) || type === 'COMBO';
  if (upload !== undefined && isChoice) return [uploads.filter((name) => upload[1].test(name)), more];
  // Choices with options from elsewhere, such as a remote URL, have no list.
  if (type !== 'COMBO' || !Array.isArray(more.options)) return described;
  const { options, ...rest } = more;
  return [options, rest];
}

/** ComfyUI's model folders, each with the first input that lists its files; undefined if no node does. */
const FOLDERS: ReadonlyMap<string, string | undefined> = new Map([
  ...MODEL_KINDS.map((kind) => [kind, MODEL_INPUTS[kind]?.[0]] as const),
  ['configs', 'CheckpointLoader.config_name'],
  ['diffusers', 'DiffusersLoader.model_path'],
  ['vae_approx', undefined],
]);

/** The file extensions of models in ComfyUI (folder_paths.py, supported_pt_extensions). */
const MODEL_FILE = /\.(ckpt|pt|pt2|bin|pth|safetensors|pkl|sft)$/i;

export function modelFolders(): Reply {
  return { status: 200, body: [...FOLDERS.keys()] };
}

/** The models that instances have in a folder; 404 for a folder that ComfyUI does not have. */
export async function modelsIn(deps: Deps, { caller, params: { folder = '' } }: ApiRequest): Promise<Reply> {
  if (!FOLDERS.has(folder)) return { status: 404 };
  const [className = '', input = ''] = FOLDERS.get(folder)?.split('.') ?? [];
  if (input === '') return { status: 200, body: [] };
  const catalogue = await (await deps.offers.to(caller)).catalogue(graphPool(deps), [className]);
  const shown = shownClass(catalogue?.[className], []);
  const inputs = isRecord(shown) && isRecord(shown.input) && isRecord(shown.input.required) ? shown.input.required : {};
  const [options] = [inputs[input]].flat() as unknown[];
  const listed = Array.isArray(options) ? (options as unknown[]) : [];
  // VAELoader also offers VAEs without a file, such as pixel_space.
  return { status: 200, body: folder === 'vae' ? listed.filter((name) => MODEL_FILE.test(`${name}`)) : listed };
}
