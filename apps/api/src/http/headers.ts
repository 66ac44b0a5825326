import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import helmet from 'helmet';

type Headers = Readonly<Record<string, string>>;

/** The headers of one answer, names and values by turns: what `writeHead` is quickest with. */
export type HeaderList = (...headers: readonly (Headers | undefined)[]) => string[];

/**
 * Lists the headers that every answer has and those of this one, which count where both have one. helmet gives every
 * answer the same, so it is asked once.
 */
export function createHeaderList(): HeaderList {
  const sample = new ServerResponse(new IncomingMessage(new Socket()));
  helmet()(sample.req, sample, () => {});
  sample.setHeader('Cache-Control', 'no-store');
  const always = sample.getHeaderNames().flatMap((name) => [name, `${sample.getHeader(name)}`]);
  const places = new Map(always.map((name, index) => [name, index + 1]));
  return (...headers) => {
    const list = [...always];
    for (const some of headers) {
      for (const name in some) {
        const place = places.get(name.toLowerCase());
        const value = some[name] as string;
        if (place === undefined) list.push(name, value);
        else list[place] = value;
      }
    }
    return list;
  };
}
