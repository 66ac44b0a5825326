import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Engine } from '../../engine.js';
import { inputFile } from '../../folders.js';
import { ConversionError, toFloat } from '../../json/convert.js';
import { pythonStr } from '../../json/python-text.js';
import { type Float, isObject, isTruthy, type Json, type JsonObject } from '../../json/values.js';
import { errorBody, UnforeseenError } from '../../validation/errors.js';
import { replaceOldNodes } from '../../validation/node-replacements.js';
import { type NodeErrors, validatePrompt } from '../../validation/prompt.js';
import { jsonBody, membersOf } from '../body.js';
import { json, type Reply, type Route, type RouteRequest } from '../route.js';

const CANONICAL_UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function getPrompt(_request: RouteRequest, engine: Engine): Reply {
  return json(engine.queueInfo());
}

function postPrompt({ body, headers }: RouteRequest, engine: Engine): Reply {
  if (engine.faults.take('reset_before_accepting') !== undefined) return { status: 0, body: { reset: true } };
  const sent = membersOf(jsonBody(body));
  const number = takeNumber(sent, engine);
  if (sent.prompt === undefined) return refused(errorBody('no_prompt', 'No prompt provided', 'No prompt provided'));
  const id = promptId(sent.prompt_id, engine);
  if (id === undefined) {
    const details =
      'prompt_id must be a UUID string in canonical lowercase hyphenated form; omit it to let the server generate one';
    return refused(errorBody('invalid_prompt_id', 'prompt_id must be a valid UUID', details));
  }
  const use = {
    catalogue: engine.catalogue,
    version: engine.settings.version,
    fileExists: (name: string) => existsSync(inputFile(engine.folders, name) ?? ''),
  };
  if (use.version === '0.33.0') replaceOldNodes(sent.prompt, use.catalogue);
  const checked = validatePrompt(sent.prompt, sent.partial_execution_targets, use);
  const extraData = readExtraData(sent, headers, engine);
  if (!checked.ok) return refused(checked.error, checked.nodeErrors);
  engine.submit({ number, id, graph: checked.graph, extraData, outputs: checked.outputs });
  if (engine.faults.take('reset_after_accepting') !== undefined) return { status: 0, body: { reset: true } };
  if (engine.faults.take('error_after_accepting') !== undefined) throw new UnforeseenError('planted fault');
  return json({ prompt_id: id, number, node_errors: checked.nodeErrors });
}

/** An own number does not advance the counter; a refused prompt does. */
function takeNumber(sent: JsonObject, engine: Engine): number | Float {
  if (sent.number === undefined) {
    const number = engine.nextNumber++;
    return isTruthy(sent.front) ? -number : number;
  }
  try {
    return toFloat(sent.number);
  } catch (error) {
    if (error instanceof ConversionError) throw new UnforeseenError(error.message);
    throw error;
  }
}

function promptId(sent: Json | undefined, engine: Engine): string | undefined {
  if (engine.settings.version === '0.3.64') return sent === undefined ? randomUUID() : pythonStr(sent);
  if (sent === undefined || sent === null) return randomUUID();
  return typeof sent === 'string' && CANONICAL_UUID.test(sent) ? sent : undefined;
}

function readExtraData(sent: JsonObject, headers: RouteRequest['headers'], engine: Engine): JsonObject {
  const extraData = sent.extra_data === undefined ? {} : sent.extra_data;
  if (!isObject(extraData)) throw new UnforeseenError('extra_data is not an object');
  if (sent.client_id !== undefined) extraData.client_id = sent.client_id;
  if (engine.settings.version === '0.3.64') return extraData;
  const source = headers['comfy-usage-source'];
  if (source !== undefined) extraData.comfy_usage_source ??= source;
  extraData.create_time = Date.now();
  return extraData;
}

function refused(error: JsonObject, nodeErrors: NodeErrors = {}): Reply {
  return json({ error, node_errors: nodeErrors }, 400);
}

export const promptRoutes: readonly Route[] = [
  { method: 'GET', path: '/prompt', handle: getPrompt },
  { method: 'POST', path: '/prompt', handle: postPrompt },
];
