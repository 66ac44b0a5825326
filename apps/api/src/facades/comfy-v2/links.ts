import { ANONYMOUS } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { knownCaller } from '../../server/caller.js';
import type { ApiRequest } from '../../server/messages.js';

/** Where the links of an answer lead. */
export interface Links {
  /**
   * Of what is asked with a key: from the root of the host that was asked, with the path of PUBLIC_URL. The SDKs send the
   * key to no other host, and some callers reach the API by another one.
   */
  readonly api: (path: string) => string;
  /** An absolute URL of a file, signed where there are keys, and until when it is good; `until`: when the file goes, in ms. */
  readonly file: (path: string, until: number) => { readonly url: string; readonly url_expires_at: string };
}

/** Where the specification wants whole URLs and PUBLIC_URL is not set, the host is the one that the caller asked. */
export async function linksFor(
  { config, ledger }: Deps,
  { caller, header }: Pick<ApiRequest, 'caller' | 'header'>,
): Promise<Links> {
  const { publicUrl = '' } = config.http;
  const origin = publicUrl === '' ? `http://${header('host') ?? 'localhost'}` : publicUrl;
  const mount = publicUrl === '' ? '' : new URL(publicUrl).pathname.replace(/\/$/, '');
  const { id } = knownCaller(caller);
  const sign = id === ANONYMOUS ? undefined : await ledger.urls.signing(id);
  return {
    api: (path) => mount + path,
    file: (path, until) => {
      const signed = sign?.(path) ?? path;
      const expires = new URLSearchParams(signed.split('?')[1]).get('expires');
      const at = expires === null ? until : Number(expires) * 1000;
      return { url: origin + signed, url_expires_at: new Date(at).toISOString() };
    },
  };
}
