import type { Dialect } from '../../server/dialect.js';
import { openAiError, statusOf } from './error-body.js';

/** Errors in the shape of OpenAI, whoever notices them. */
export const openaiDialect: Dialect = {
  prefix: '/v1',
  problem: (error) => ({ status: statusOf(error.code), body: { error: openAiError(error) } }),
};
