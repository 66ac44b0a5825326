/**
 * What the studio may do: its own scripts and styles, the API beside it, nothing from elsewhere, no inline script or style.
 * Pictures as data: URLs are previews, blob: ones what somebody is about to send. Links in answers begin with the
 * public URL, which need not be the one that the page came from.
 */
export function studioPolicy(publicUrl: string | undefined): string {
  const shown = publicUrl === undefined ? "'self'" : `'self' ${new URL(publicUrl).origin}`;
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src ${shown} data: blob:`,
    `media-src ${shown} blob:`,
    `connect-src ${shown}`,
    "base-uri 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
