import { FleetError } from '@comfy-fleet/contracts';
import type { Deps } from '../../../deps.js';
import type { ApiRequest, Reply, Route } from '../../../server/messages.js';
import { studioFileReply } from './file-reply.js';
import { pageBelow } from './page-below.js';
import { studioPolicy } from './policy.js';
import { createStudioFiles, type StudioFiles } from './studio-files.js';

const PAGE = 'index.html';

/**
 * The studio at `/studio`, for anybody: its pages ask for what they show with the key of whoever looks. It is one page,
 * under the address of each of its views. None, when it is off.
 */
export function studioRoutes({ config }: Pick<Deps, 'config'>): Route[] {
  if (!config.http.studio) return [];
  const files = createStudioFiles();
  const headers = { 'Content-Security-Policy': studioPolicy(config.http.publicUrl) };
  const page = async (request: ApiRequest): Promise<Reply> => {
    // A path that ends with the page's own name and no slash would lead what is relative to it elsewhere.
    if (request.path.endsWith('/studio')) return { status: 308, headers: { Location: 'studio/' } };
    const file = await found(files, PAGE);
    return studioFileReply(request, pageBelow(file, request.path), { headers, isHashed: false });
  };
  const asset = async (request: ApiRequest): Promise<Reply> =>
    studioFileReply(request, await found(files, `assets/${request.params.file}`), { headers, isHashed: true });
  const icon = async (request: ApiRequest): Promise<Reply> =>
    studioFileReply(request, await found(files, 'icon.svg'), { headers, isHashed: false });
  return [
    { method: 'GET', path: '/studio', access: 'public', handler: page },
    { method: 'GET', path: '/studio/icon.svg', access: 'public', handler: icon },
    { method: 'GET', path: '/studio/assets/:file', access: 'public', handler: asset },
    { method: 'GET', path: '/studio/:view', access: 'public', handler: page },
    { method: 'GET', path: '/studio/:view/:id', access: 'public', handler: page },
  ];
}

async function found(files: StudioFiles, name: string) {
  const file = await files(name);
  if (file === undefined) throw new FleetError('not_found', 'The studio has no file of this name.');
  return file;
}
