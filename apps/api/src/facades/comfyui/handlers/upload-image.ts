import type { Deps } from '../../../deps.js';
import { knownCaller } from '../../../server/caller.js';
import { isRecord } from '../../../server/is-record.js';
import type { ApiRequest, Handler, SentFile } from '../../../server/messages.js';
import { inSubfolder } from '../file-names.js';
import { refused } from '../refusal.js';

/** What a file is called that comes without a name. */
const UNNAMED = 'image.png';

/** Keeps the file `image` of a form for the caller; the answer says under which name graphs may use it. */
export function uploadImage(deps: Deps): Handler {
  return async (request) => ({ status: 200, body: await keepUpload(deps, request, sentImage(request)) });
}

/** Throws a ComfyuiRefusal. */
export function sentImage({ files }: Pick<ApiRequest, 'files'>): SentFile {
  const image = files.find(({ field }) => field === 'image');
  if (image === undefined) throw refused('invalid_request', 'The form must have a file called "image"');
  return image;
}

/** A text field of the form; undefined where it has none. */
export function textOf({ body }: Pick<ApiRequest, 'body'>, name: string): string | undefined {
  const value = isRecord(body) ? body[name] : undefined;
  return typeof value === 'string' ? value : undefined;
}

/**
 * Gives the file the name that its form asks for, or `x (1).png` where another of the caller's has it. All uploads are inputs,
 * whatever folder the form names.
 */
export async function keepUpload(
  { ledger }: Deps,
  request: Pick<ApiRequest, 'caller' | 'body'>,
  { filename = UNNAMED, file }: Pick<SentFile, 'filename' | 'file'>,
) {
  const { id: key } = knownCaller(request.caller);
  const wanted = inSubfolder(textOf(request, 'subfolder') ?? '', filename);
  const overwrite = ['true', '1'].includes(textOf(request, 'overwrite') ?? '');
  const { asset } = await ledger.assets.keep(key, { ...file, filename });
  const given = await ledger.assets.name(key, wanted, asset.id, { overwrite });
  const at = given.lastIndexOf('/') + 1;
  return { name: given.slice(at), subfolder: given.slice(0, Math.max(0, at - 1)), type: 'input' };
}
