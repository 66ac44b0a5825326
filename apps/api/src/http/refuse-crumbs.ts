/** More than every field there is could hold. */
const MOST_COMMAS = 50_000;
const COMMA = 0x2c;

/**
 * For body-parser's `verify`: refuses JSON that is large without a picture being what makes it so. A picture in base64
 * has no comma; millions of small values take seconds to parse, in which nobody else is served.
 */
export function refuseCrumbs(maxJsonBytes: number): (request: unknown, response: unknown, body: Buffer) => void {
  return (_request, _response, body) => {
    if (body.length <= maxJsonBytes) return;
    let commas = 0;
    for (let at = body.indexOf(COMMA); at >= 0; at = body.indexOf(COMMA, at + 1)) {
      commas += 1;
      if (commas > MOST_COMMAS) throw new Error(`besides a picture a body has at most ${maxJsonBytes} bytes`);
    }
  };
}
