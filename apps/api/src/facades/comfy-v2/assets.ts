import { FleetError, isId } from '@comfy-fleet/contracts';
import { type Asset, type AssetFile, isPlainPath, type KeptAsset } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { requireAnnounced } from '../../files/keep-file.js';
import { type ServedFile, serveFile, shownAs } from '../../files/serve-file.js';
import { idempotencyDigest } from '../../orders/idempotency.js';
import { ownNameOf } from '../../server/form-readers.js';
import type { ApiRequest, Reply } from '../../server/messages.js';
import { ComfyV2Error, invalidField } from './dialect.js';
import { findOutput, linksFor, presentAsset, presentOutputAsset } from './present.js';

/** Idempotency-Keys of files are not those of jobs. */
const FAMILY = '/api/v2/assets';
/** The least and the most that `expires_in` may be. */
const MIN_SECONDS = 60;
const MAX_SECONDS = 604_800;

/** An asset that was sent, or an output. */
export async function getAsset(deps: Deps, request: ApiRequest): Promise<Reply> {
  const links = await linksFor(deps, request);
  const asset = await sentAsset(deps, request);
  if (asset !== undefined) return { status: 200, body: presentAsset(asset, links) };
  const output = await outputOf(deps, request);
  if (output === undefined) throw assetNotFound();
  return { status: 200, body: presentOutputAsset(deps.config, output, links) };
}

/** Its bytes, whole or in part. */
export async function getAssetContent(deps: Deps, request: ApiRequest): Promise<Reply> {
  const file = await storedFile(deps, request);
  const reply = file && (await serveFile(deps, request, { ...file, isPrivate: true }));
  if (reply === undefined) throw assetNotFound();
  return reply;
}

async function storedFile(deps: Deps, request: ApiRequest): Promise<ServedFile | undefined> {
  const asset = await sentAsset(deps, request);
  if (asset !== undefined) {
    const { name, filename, bytes, digest } = asset;
    return { store: deps.inputs, name, ...shownAs(name, filename ?? name), info: { bytes, sha256: digest } };
  }
  const output = (await outputOf(deps, request))?.output;
  return output && { store: deps.frames, name: output.file, ...shownAs(output.file, output.filename) };
}

/** Outputs are deleted with their jobs. */
export async function deleteAsset(deps: Deps, request: ApiRequest): Promise<Reply> {
  const { asset: id = '' } = request.params;
  const isOutput = (await outputOf(deps, request)) !== undefined;
  if (!isOutput && !isId(id)) throw assetNotFound();
  const verdict = isOutput ? 'used' : await deps.ledger.assets.delete(request.caller.id, id);
  if (verdict === 'absent') throw assetNotFound();
  if (verdict !== 'used') return { status: 204 };
  throw new FleetError('asset_in_use', 'The asset is still needed, and cannot be deleted yet.');
}

/** A request with a signed link has no caller. */
async function sentAsset({ ledger }: Deps, { params, visitor }: ApiRequest): Promise<Asset | undefined> {
  const { asset: id = '' } = params;
  return isId(id) ? ledger.assets.get(visitor?.id, id) : undefined;
}

async function outputOf(deps: Deps, { params, visitor }: ApiRequest) {
  return visitor && findOutput(deps, visitor.id, params.asset ?? '');
}

function assetNotFound(): FleetError {
  return new FleetError('asset_not_found', 'There is no asset with this id, or no longer.');
}

/** Answers 201 for content that the key did not have, else 200. Nothing is kept of a file that is refused. */
export async function postAsset(deps: Deps, request: ApiRequest): Promise<Reply> {
  const [sent] = request.files;
  if (sent === undefined) throw invalidField('file', 'is required: send it as the part "file" of the form');
  try {
    const fields = fieldsOf(request);
    for (const name of ['content_type', 'file_path']) {
      if (typeof fields[name] !== 'string' || fields[name] === '') throw invalidField(name, 'is required');
    }
    const { expected_hash: announced } = fields;
    if (announced !== undefined && typeof announced !== 'string')
      throw invalidField('expected_hash', 'must be one text');
    // The field may come after the file.
    requireAnnounced(sent.file.digest, announced);
    const once = idempotencyDigest(request.header('idempotency-key'), FAMILY);
    const about = readAbout(fields, deps);
    const filename = ownNameOf(about.path) ?? null;
    const kept = await keep(deps, request, { ...sent.file, filename }, { ...about, once });
    return await answer(deps, request, kept, kept.isNewContent);
  } catch (error) {
    await deps.ledger.assets.leave(sent.file);
    throw error;
  }
}

/** Answers 201 if the key did not have the file under that path, else 200. */
export async function assetFromHash(deps: Deps, request: ApiRequest): Promise<Reply> {
  const fields = fieldsOf(request);
  if (typeof fields.hash !== 'string') throw invalidField('hash', 'is required: blake3:<hex>');
  const about = readAbout(fields, deps);
  const known = await findByHash(deps, request, fields.hash);
  const { digest, name, kind, contentType, bytes, filename, width, height } = known;
  const size = width === undefined || height === undefined ? {} : { width, height };
  const file = { digest, name, kind, contentType, bytes, filename, ...size };
  const kept = await keep(deps, request, file, about);
  return answer(deps, request, { ...kept, isNewContent: false }, kept.isNew);
}

export async function assetByHash(deps: Deps, request: ApiRequest): Promise<Reply> {
  await findByHash(deps, request, request.params.hash ?? '');
  return { status: 200 };
}

/** The key's asset with that content. Its file is kept as long from now on as one that was just sent. */
async function findByHash(deps: Deps, { caller }: ApiRequest, hash: string): Promise<Asset> {
  const digest = /^blake3:([0-9a-f]{64})$/i.exec(hash)?.[1]?.toLowerCase();
  const found = digest && (await deps.ledger.assets.find(caller.id, digest));
  if (found && (await deps.inputs.touch(found.name))) return found;
  throw new ComfyV2Error('asset_not_found', 'blob_not_found', 'You have sent no file with this hash, or it is gone.');
}

type FileToKeep = AssetFile & Pick<Asset, 'filename'>;

async function keep({ ledger: { assets } }: Deps, { caller }: ApiRequest, file: FileToKeep, about: About) {
  const { id: key } = caller;
  const kept = await assets.keep(key, file, about);
  // Graphs name files without the folder.
  const name = about.path?.replace(/^input\//, '');
  if (name !== undefined) await assets.name(key, name, kept.asset.id, { overwrite: true });
  return kept;
}

async function answer(deps: Deps, request: ApiRequest, { asset, isNewContent }: KeptAsset, isCreated: boolean) {
  const links = await linksFor(deps, request);
  const status = isCreated ? 201 : 200;
  const body = { ...presentAsset(asset, links), created_new: isNewContent };
  return { status, headers: { Location: links.api(`/api/v2/assets/${asset.id}`) }, body };
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf({ body }: ApiRequest): Fields {
  return (body ?? {}) as Fields;
}

type About = ReturnType<typeof readAbout> & { readonly once?: string | undefined };

/** What a request says about a file, as JSON or as a form, where numbers are text and one tag is no list. */
function readAbout({ file_path, tags, expires_in }: Fields, { config }: Deps) {
  return {
    path: pathOf(file_path ?? undefined),
    tags: tagsOf(tags ?? undefined, config.limits.maxMetadataBytes),
    lifeMs: lifeOf(expires_in ?? undefined),
  };
}

function pathOf(given: unknown): string | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== 'string' || !isPlainPath(given)) {
    throw invalidField('file_path', 'must be a path such as photo.png or sub/photo.png, without ".." and "\\"');
  }
  if (!given.startsWith('models/')) return given;
  throw invalidField('file_path', 'names a model, and models are put into the instances by whoever runs them');
}

function tagsOf(given: unknown, maxBytes: number): readonly string[] | undefined {
  if (given === undefined) return undefined;
  const tags = [given].flat() as unknown[];
  if (tags.every((tag) => typeof tag === 'string') && Buffer.byteLength(JSON.stringify(tags)) <= maxBytes) return tags;
  throw invalidField('tags', `must be texts, of at most ${maxBytes} bytes together`);
}

function lifeOf(given: unknown): number | undefined {
  if (given === undefined) return undefined;
  const isNumber = typeof given === 'number' || (typeof given === 'string' && /^\d{1,7}$/.test(given));
  const seconds = isNumber ? Number(given) : Number.NaN;
  if (Number.isInteger(seconds) && seconds >= MIN_SECONDS && seconds <= MAX_SECONDS) return seconds * 1000;
  throw invalidField('expires_in', `must be a whole number of seconds from ${MIN_SECONDS} to ${MAX_SECONDS}`);
}
