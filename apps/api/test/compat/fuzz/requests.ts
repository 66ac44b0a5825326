import fc, { type Arbitrary } from 'fast-check';
import type { FuzzRequest } from '../../fuzz/client.js';
import { BOUNDARY } from '../../fuzz/forms.js';
import { CONTENT_TYPES, headers } from '../../fuzz/headers.js';
import { formBody, jsonBody } from './bodies.js';
import type { CompatTargets, TargetRoute } from './targets.js';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** Routes that are called several times as often as others, because they create or find the most. */
const OFTEN: readonly (readonly [times: number, RegExp])[] = [
  [4, /^POST .*(prompt|v2\/jobs|v2\/assets|upload\/image|generations|edits)$/],
  [2, /history|queue|view|jobs|assets/],
];
/** Left out, because each response has a few megabytes. */
const LARGE = '/comfyui/object_info';
const FORMS = /upload|edits$|v2\/assets$/;
const NO_BODY = new Set(['GET', 'HEAD', 'OPTIONS']);
const ODD = [
  '',
  '.',
  '..',
  '%2e%2e%2fx',
  '%00',
  '%ff',
  '%',
  '*',
  '__proto__',
  'constructor',
  'x'.repeat(2000),
  'KSampler',
];

/** Requests with any method to every route of the compatible APIs. */
export function compatRequest(targets: CompatTargets): Arbitrary<FuzzRequest> {
  const table = targets.routes.filter(({ path }) => path !== LARGE);
  return fc.oneof(...table.map((route) => ({ weight: timesOf(route), arbitrary: requestTo(route, targets) })));
}

function requestTo({ method: own, path }: TargetRoute, targets: CompatTargets): Arbitrary<FuzzRequest> {
  const method = fc.oneof(
    { weight: 12, arbitrary: fc.constant(own) },
    { weight: 1, arbitrary: fc.constantFrom(...METHODS) },
  );
  const isForm = FORMS.test(path);
  const type = fc.oneof(
    { weight: 12, arbitrary: fc.constant(isForm ? `multipart/form-data; boundary=${BOUNDARY}` : 'application/json') },
    { weight: 1, arbitrary: fc.constantFrom(...CONTENT_TYPES) },
  );
  const body = fc.oneof(
    { weight: 15, arbitrary: isForm ? formBody(path, targets) : jsonBody(path, targets) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );
  return fc
    .tuple(method, pathOf(path, targets), queryOf(path, targets), headers(targets.key, type), body)
    .map(([used, at, query, given, data]) => ({
      method: used,
      path: at + query,
      headers: given,
      ...(NO_BODY.has(used) ? {} : { body: data }),
    }));
}

function timesOf({ method, path }: TargetRoute): number {
  return OFTEN.find(([, pattern]) => pattern.test(`${method} ${path}`))?.[0] ?? 1;
}

function pathOf(route: string, { ids, names, hashes }: CompatTargets): Arbitrary<string> {
  const known = [...ids, ...names, ...hashes].map(encodeURIComponent);
  const parts = route
    .split('/')
    .map((part) =>
      part.startsWith(':')
        ? fc.oneof(
            { weight: 5, arbitrary: fc.constantFrom(...known) },
            { weight: 1, arbitrary: fc.constantFrom(...ODD) },
          )
        : fc.constant(part),
    );
  const path = fc.tuple(...parts).map((all) => all.join('/'));
  if (!route.startsWith('/comfyui')) return path;
  return fc
    .tuple(path, fc.constantFrom('', '', '', '/api', '/'))
    .map(([at, more]) => `/comfyui${more}${at.slice('/comfyui'.length)}`);
}

function queryOf(route: string, { ids, names, key }: CompatTargets): Arbitrary<string> {
  const value = fc.oneof(
    fc.constantFrom(
      '0',
      '1',
      '-1',
      '2.5',
      '9'.repeat(30),
      '',
      'x',
      'input',
      'output',
      'temp',
      'webp;90',
      'png',
      'rgb',
      'a',
      key,
    ),
    fc.constantFrom(...ids, ...names, ...ids.map((id) => `${id}_1.png`)).map(encodeURIComponent),
  );
  const name = fc.constantFrom(
    ...['filename', 'type', 'subfolder', 'preview', 'channel', 'max_items', 'offset', 'limit', 'status', 'sort_by'],
    ...['sort_order', 'workflow_id', 'clientId', 'token', 'after', '__proto__', 'a[b]', ''],
  );
  const pairs = fc.array(fc.tuple(name, value), { maxLength: 3 }).map((all) => all.map(([a, b]) => `${a}=${b}`));
  const file = fc
    .constantFrom(...names, ...ids.map((id) => `${id}_1.png`))
    .map((one) => `filename=${encodeURIComponent(one)}`);
  const type = fc.constantFrom('', '&type=input', '&type=output', '&type=temp');
  const viewed = fc.tuple(file, type, pairs).map(([one, kind, more]) => [one + kind, ...more]);
  return (route.endsWith('/view') ? viewed : pairs).map((all) => (all.length === 0 ? '' : `?${all.join('&')}`));
}
