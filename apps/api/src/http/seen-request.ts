import type { Request } from 'express';
import type { Locals } from './locals.js';
import type { ApiRequest } from './messages.js';
import { refusal } from './problems.js';

/** A request as handlers see it: what few of them ask for is made for who does. What is a field may be taken out of it. */
export class SeenRequest implements ApiRequest {
  readonly #request: Request;
  readonly #locals: Locals;
  readonly header = (name: string) => this.#request.get(name);
  readonly refuse: ApiRequest['refuse'] = (error, headers) => refusal(error, this.#locals, headers);
  readonly holds = (bytes: number) => this.#locals.upload?.arrived(bytes);

  constructor(request: Request, locals: Locals) {
    this.#request = request;
    this.#locals = locals;
  }

  get method() {
    return this.#request.method;
  }

  get path() {
    return this.#locals.path;
  }

  get params() {
    return this.#request.params as Record<string, string>;
  }

  get query() {
    return queryOf(this.#request);
  }

  get caller() {
    return this.#locals.caller;
  }

  get counting() {
    return this.#locals.counting;
  }

  get body() {
    return this.#request.body;
  }

  get isForm() {
    return Boolean(this.#request.is('multipart/form-data'));
  }

  get file() {
    const { file } = this.#request;
    return file === undefined ? undefined : { data: file.buffer, contentType: file.mimetype };
  }

  get files() {
    return this.#locals.files ?? [];
  }

  get raw() {
    return this.#locals.raw;
  }

  get picture() {
    return this.#locals.picture;
  }

  get log() {
    return this.#locals.log();
  }

  get signal() {
    return this.#locals.gone.signal;
  }

  get hasLeft() {
    return this.#locals.gone.isOver;
  }

  range(size: number): ReturnType<ApiRequest['range']> {
    const ranges = this.#request.range(size, { combine: true });
    if (ranges === -1) return 'unsatisfiable';
    // What is no range, is in another unit or is several ranges may be answered with the whole (RFC 9110, 14.2).
    if (!Array.isArray(ranges) || ranges.type !== 'bytes' || ranges.length !== 1) return undefined;
    return ranges[0];
  }
}

export function queryOf(request: Request): URLSearchParams {
  return new URLSearchParams(request.originalUrl.split('?').slice(1).join('?'));
}
