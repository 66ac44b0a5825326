import { hashed, type StudioFile } from './studio-files.js';

/** As it stands in what Vite built. */
const BASE = '<base href="./" />';

/** The page with its base where `/studio/` is from a path below it: whatever a proxy puts in front stays. */
export function pageBelow(page: StudioFile, path: string): StudioFile {
  const depth = path.split('/').length - '/studio/'.split('/').length;
  if (depth <= 0) return page;
  const html = page.data.toString().replace(BASE, `<base href="${'../'.repeat(depth)}" />`);
  return hashed(Buffer.from(html), page.contentType);
}
