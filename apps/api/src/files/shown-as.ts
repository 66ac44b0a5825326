import { contentTypeOf } from '@comfy-fleet/frames';
import { create } from 'content-disposition';

/** What a browser plays or draws without running anything in it. */
const INLINE = /^(image\/(?!svg)|video\/|audio\/|text\/plain$)/;
/** For who opens anything else in a tab all the same: it runs nothing, loads nothing, and has no origin. */
const SANDBOX = "sandbox; default-src 'none'";

/** How a file of this name here is answered: with its type, and to be kept under its own name. */
export function shownAs(
  name: string,
  ownName: string,
): { readonly contentType: string; readonly disposition: string; readonly policy?: string } {
  const type = contentTypeOf(name);
  const contentType = type.startsWith('text/') ? `${type}; charset=utf-8` : type;
  if (INLINE.test(type)) return { contentType, disposition: dispositionOf(ownName, 'inline') };
  return { contentType, disposition: dispositionOf(ownName, 'attachment'), policy: SANDBOX };
}

/** Many clients find the name by its quotes, which the library leaves out where RFC 6266 allows that. */
function dispositionOf(name: string, type: 'inline' | 'attachment'): string {
  return create(name, { type }).replace(/^(\w+; filename=)([^";]+)/, '$1"$2"');
}
