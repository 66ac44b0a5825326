import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import axios, { type AxiosRequestConfig, type AxiosResponse } from 'axios';
import { failureOf } from './failures.js';

export interface Question {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly lookup: LookupFunction;
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly status: number;
  header(name: string): string | undefined;
  /** As it came, never unpacked. Whoever has it reads it to its end or destroys it, which closes the connection. */
  readonly body: Readable;
}

/**
 * One request and the head of its answer, whatever its status; a redirect is an answer. Throws url_unreachable, or
 * what `lookup` refused with. The connection is made for this request and used for no other: one that was kept open
 * would not be looked up, and so not checked, again.
 */
export async function exchange({ method, url, headers, body, lookup, signal }: Question): Promise<Answer> {
  const config: AxiosRequestConfig = {
    method,
    url: url.href,
    headers: { 'User-Agent': 'comfy-fleet', 'Accept-Encoding': 'identity', ...headers },
    httpAgent: new HttpAgent({ keepAlive: false, lookup }),
    // said here because a variable of the environment can turn it off
    httpsAgent: new HttpsAgent({ keepAlive: false, lookup, rejectUnauthorized: true }),
    signal,
    responseType: 'stream',
    // a proxy would dial in our place, wherever the environment names one
    proxy: false,
    maxRedirects: 0,
    decompress: false,
    validateStatus: () => true,
  };
  // as bytes: axios trims JSON that it is given as text, and what is sent would not be what was signed
  if (body !== undefined) config.data = Buffer.from(body);
  try {
    const answer: AxiosResponse<Readable> = await axios.request<Readable>(config);
    const header = (name: string) => {
      const value: unknown = answer.headers[name];
      return typeof value === 'string' ? value : undefined;
    };
    return { status: answer.status, header, body: answer.data };
  } catch (error) {
    throw failureOf(error);
  }
}
