import fc, { type Arbitrary } from 'fast-check';
import { pathOf, queryString } from './addresses.js';
import type { FuzzRequest } from './client.js';
import { formBody } from './forms.js';
import { CONTENT_TYPES, FORM_TYPES, headers, maybe } from './headers.js';
import { jsonBody } from './json-bodies.js';
import type { FuzzTargets } from './targets.js';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY', 'M-SEARCH'];
/** Addresses that are not an operation, and pictures again, since they have the most headers of their own. */
const MORE = [
  'GET /{nothing}',
  'POST /images/{filename}',
  'GET /jobs/batch',
  ...Array.from({ length: 3 }, () => 'GET /images/{filename}'),
];

/** Requests to every route with every method. */
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
      // never deletes the picture that many requests use
      method: method === 'DELETE' && path.includes(targets.jobs[0] ?? '') ? 'GET' : method,
      path: path + query,
      headers: given,
      body: bodyFor(method, data),
    }));
}

/** Requests that create jobs, as JSON. */
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

/** Requests that create jobs, as forms. */
export function formRequest(targets: FuzzTargets): Arbitrary<FuzzRequest> {
  return fc
    .tuple(headers(targets.key, fc.constantFrom(...FORM_TYPES)), formBody(targets))
    .map(([given, body]) => ({ method: 'POST', path: '/img2img', headers: given, body }));
}

/** Methods with which Node sends no body by default. */
function bodyFor(method: string, body: Buffer | undefined): Buffer | undefined {
  return method === 'GET' || method === 'HEAD' || method === 'TRACE' ? undefined : body;
}
