import { bounded } from '../../http/bounded-problem.js';
import type { Dialect } from '../../http/dialect.js';

export const openaiDialect: Dialect = {
  prefix: '/v1',
  problem: ({ code, status, detail, errors }) => {
    const [first] = errors;
    const param = first === undefined ? null : bounded(first.pointer.replace(/^\//, '').replaceAll('/', '.'));
    return { status, body: { error: { message: bounded(detail), type: typeOf(status), param, code } } };
  },
};

function typeOf(status: number): string {
  if (status >= 500) return 'server_error';
  return status === 429 ? 'rate_limit_error' : 'invalid_request_error';
}
