import { randomUUID } from 'node:crypto';
import { inThisTrace, type Logger } from '@comfy-fleet/telemetry';
import type { Request, Response } from 'express';
import type { ApiInstruments } from '../metrics.js';
import { type Dialect, dialectOf } from './dialect.js';
import { Leaving } from './leaving.js';
import type { HeaderList, Locals } from './locals.js';

export interface BeginOptions {
  readonly headerList: HeaderList;
  readonly dialects: readonly Dialect[];
  readonly instruments: ApiInstruments;
  readonly log: Logger;
}

/** As nginx tells of callers that were gone before they had an answer. */
const GONE_STATUS = 499;

/** One line for every request, when its answer is through or its caller gone. Of polls that went well at debug only. */
export function beginning({ headerList, dialects, instruments, log }: BeginOptions) {
  const { underWay } = instruments;
  return (request: Request, response: Response): void => {
    const start = performance.now();
    const path = request.originalUrl.split('?', 1)[0] ?? '';
    const gone = new Leaving();
    const id = requestId(request.headers['x-request-id']);
    let child: Logger | undefined;
    const locals: Locals = {
      headerList,
      gone,
      requestId: id,
      path,
      dialect: dialectOf(dialects, path),
      // Made for who asks: most requests have nothing to tell. No getter: V8 would make the object a map of its own.
      log: () => {
        child ??= log.child({ request_id: id });
        return child;
      },
      instruments,
    };
    response.locals = locals;
    underWay.requests += 1;
    const closed = () => {
      gone.abort();
      underWay.requests -= 1;
      const { job, caller, polled, answered } = locals;
      const statusCode = response.headersSent ? response.statusCode : GONE_STATUS;
      const tell = answered ?? instruments.answered(request.method, 'none');
      tell(statusCode, (performance.now() - start) / 1000);
      const isQuiet = polled === true && (statusCode < 400 || statusCode === 503);
      if (isQuiet && !log.isDebugEnabled()) return;
      log.log(isQuiet ? 'debug' : 'info', 'request', {
        request_id: id,
        method: request.method,
        path,
        status: statusCode,
        ms: Math.round(performance.now() - start),
        job,
        key: caller?.id,
        aborted: response.writableFinished ? undefined : true,
      });
    };
    response.once('close', inThisTrace(closed));
  };
}

/** What proxies and clients write there: a UUID mostly. Nothing that could make a mess of a log. */
const SANE = /^[A-Za-z0-9._~:/+=@-]{1,128}$/;

/** The name of a request in the log and in its answer: the caller's own, if it has a sane one, else a new one. */
export function requestId(given: string | string[] | undefined): string {
  return typeof given === 'string' && SANE.test(given) ? given : randomUUID();
}
