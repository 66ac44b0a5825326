import fc, { type Arbitrary } from 'fast-check';
import { pathOf, queryString } from './addresses.js';
import type { FuzzRequest } from './client.js';
import { formBody } from './forms.js';
import { CONTENT_TYPES, FORM_TYPES, headers, maybe } from './headers.js';
import { jsonBody } from './json-bodies.js';
import type { FuzzTargets } from './targets.js';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY', 'M-SEARCH'];
/** Addresses that are no operation; pictures, which have the most headers of their own, once more. */
const MORE = [
  'GET /{nothing}',
  'POST /images/{filename}',
  'GET /jobs/batch',
  ...Array.from({ length: 3 }, () => 'GET /images/{filename}'),
];

/** Requests to every route by every method. */
export function anyRequest(targets: FuzzTargets): Arbitrary<FuzzRequest> {
  const route = fc.constantFrom(...targets.operations, ...MORE).chain((known) => {
    const [method = '', path = ''] = known.split(' ');
    const used = fc.oneof(
      { weight: 5, arbitrary: fc.constant(method) },
      { weight: 1, arbitrary: fc.constantFrom(...METHODS) },
    );
    return fc.tuple(used, pathOf(path, targets));
  });
  const body = maybe(jsonBody(targets), 2);
  return fc
    .tuple(route, queryString(targets), headers(targets.key, fc.constantFrom(...CONTENT_TYPES)), body)
    .map(([[method, path], query, given, data]) => ({
      // the picture that much is asked about stays
      method: method === 'DELETE' && path.includes(targets.jobs[0] ?? '') ? 'GET' : method,
      path: path + query,
      headers: given,
      body: bodyFor(method, data),
    }));
}

/** Orders of jobs as JSON. */
export function orderRequest(targets: FuzzTargets): Arbitrary<FuzzRequest> {
  const path = fc.oneof(
    fc.constantFrom('/generate', '/generate', '/img2img', '/jobs/batch'),
    fc.constantFrom(...targets.jobs).map((id) => `/jobs/${id}/refine`),
  );
  const type = fc.oneof(
    { weight: 15, arbitrary: fc.constant('application/json') },
    { weight: 1, arbitrary: fc.constantFrom(...CONTENT_TYPES) },
  );
  return fc
    .tuple(path, headers(targets.key, type), jsonBody(targets))
    .map(([address, given, body]) => ({ method: 'POST', path: address, headers: given, body }));
}

/** Orders of jobs as forms. */
export function formRequest(targets: FuzzTargets): Arbitrary<FuzzRequest> {
  return fc
    .tuple(headers(targets.key, fc.constantFrom(...FORM_TYPES)), formBody(targets))
    .map(([given, body]) => ({ method: 'POST', path: '/img2img', headers: given, body }));
}

/** Node sends no body with these by itself. */
function bodyFor(method: string, body: Buffer | undefined): Buffer | undefined {
  return method === 'GET' || method === 'HEAD' || method === 'TRACE' ? undefined : body;
}
