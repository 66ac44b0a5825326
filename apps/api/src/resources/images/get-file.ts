import { FleetError } from '@comfy-fleet/contracts';
import { jobOfPicture } from '@comfy-fleet/frames';
import type { Deps } from '../../deps.js';
import { keyOfVisit, maySeeOutput } from '../../files/ownership.js';
import { serveFile, shownAs } from '../../files/serve-file.js';
import type { Handler } from '../../server/messages.js';

/** An output that a job made, of any kind, or with `?poster` a picture of a video. */
export function getFile(deps: Deps): Handler {
  const { access } = deps.config;
  return async (request) => {
    const { params, query, signal } = request;
    const { filename = '' } = params;
    const caller = access.publicImages ? undefined : request.caller;
    if (!(await maySeeOutput(deps, filename, caller))) throw fileNotFound();
    if (query.has('poster')) {
      const poster = await deps.posters.get(filename, signal, keyOfVisit(deps, request));
      const reply = poster && (await serveFile(deps, request, { store: deps.derivedStore, ...poster }));
      if (reply !== undefined) return reply;
      throw fileNotFound();
    }
    const shown = shownAs(filename, await ownNameOf(deps, filename));
    const reply = await serveFile(deps, request, { store: deps.frames, name: filename, ...shown });
    if (reply !== undefined) return reply;
    throw fileNotFound();
  };
}

/** As ComfyUI called it; its name here where that is not known (any more), as while Redis is away. */
async function ownNameOf({ ledger: { jobs }, log }: Deps, name: string): Promise<string> {
  const id = jobOfPicture(name) ?? '';
  const snapshot = await jobs.get(id).catch((error: unknown) => {
    log.debug('a file is served under its name here', { name, error });
    return undefined;
  });
  return snapshot?.record.outputs.find(({ file }) => file === name)?.filename ?? name;
}

function fileNotFound(): FleetError {
  return new FleetError('file_not_found', 'There is no file of this name, or no longer.');
}
