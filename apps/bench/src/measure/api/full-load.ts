import autocannon, { type Client, type Request } from 'autocannon';

export interface FullLoad {
  readonly url: string;
  readonly requests: readonly Request[];
  readonly headers: Readonly<Record<string, string>>;
  /** Each sends its next request when it has the answer to the last. */
  readonly connections: number;
  readonly seconds: number;
}

export interface FullLoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** Of each request, in milliseconds. */
  readonly ms: readonly number[];
}

/** As many requests as the server can do. Throws when one is not answered with 2xx. */
export async function fullLoad({ url, requests, headers, connections, seconds }: FullLoad): Promise<FullLoadResult> {
  const ms: number[] = [];
  const setupClient = (client: Client) => {
    client.on('response', (_status, _bytes, duration) => ms.push(duration));
  };
  const result = await autocannon({
    url,
    requests: [...requests],
    headers,
    connections,
    duration: seconds,
    setupClient,
  });
  const { non2xx, errors, timeouts } = result;
  if (non2xx + errors + timeouts > 0) {
    throw new Error(`${url}: ${non2xx} refused, ${errors} failed, ${timeouts} too late, of ${result.requests.total}`);
  }
  return { requests: result['2xx'], seconds: result.duration, ms };
}
