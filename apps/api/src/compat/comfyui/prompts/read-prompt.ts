import type { RawBody } from '../../../http/messages.js';
import { isRecord } from '../../../requests/is-record.js';
import { readExactJson } from '../../../workflows/exact-json.js';
import { UUID } from '../own-prompt.js';
import { refused } from '../refusal.js';
import type { GraphText } from './kept-judgements.js';
import { MOST_LEARNED_CHARS, type Templates } from './templates.js';

/** The body of POST /prompt; its graph is not looked at, and not to be changed. */
export interface SentPrompt {
  readonly graph: unknown;
  /** The caller's own id for it. */
  readonly id: string | undefined;
  readonly client: string | undefined;
  /** Lower ones are to run first. */
  readonly number: number | undefined;
  /** It is to run before those that wait. */
  readonly front: boolean;
  /** Without secrets. */
  readonly extraData: Readonly<Record<string, unknown>>;
  readonly comfyKey: string | undefined;
  /** Ids of the outputs that are to run; undefined: all. */
  readonly targets: readonly string[] | undefined;
}

const MOST_CLIENT_CHARS = 128;
const MOST_KEY_CHARS = 512;
const SECRETS = ['api_key_comfy_org', 'auth_token_comfy_org'];
/** A text that has it is not remembered. */
const SECRET = '_comfy_org';

export interface ReadPrompt {
  readonly prompt: SentPrompt;
  readonly text: GraphText;
}

/** Throws malformed_json, and a ComfyuiRefusal for what is not as it has to be. */
export function readPrompt(raw: RawBody | undefined, templates: Templates): ReadPrompt {
  const { text, parsed } = readExactJson(raw, (text) => ({ text, parsed: templates.parse(text) }));
  const { value, template, changed } = parsed;
  const prompt = promptIn(value);
  const isSecret = text.includes(SECRET) || hasSecret(value);
  const learn: GraphText['learn'] = (isOpen) => templates.learn(text, value, isOpen);
  const mayLearn = !isSecret && text.length <= MOST_LEARNED_CHARS;
  return { prompt, text: { template, changed, learn: mayLearn ? learn : undefined, isKnown: templates.has } };
}

function hasSecret(sent: unknown): boolean {
  const extra = isRecord(sent) ? sent.extra_data : undefined;
  return isRecord(extra) && SECRETS.some((name) => Object.hasOwn(extra, name));
}

function promptIn(sent: unknown): SentPrompt {
  if (!isRecord(sent) || sent.prompt === undefined) throw refused('no_prompt', 'No prompt provided');
  const {
    prompt: graph,
    prompt_id: id,
    number,
    front,
    extra_data: extra = {},
    partial_execution_targets: targets,
  } = sent;
  if (id !== undefined && id !== null && (typeof id !== 'string' || !UUID.test(id))) {
    const how = 'prompt_id must be a UUID string in canonical lowercase hyphenated form';
    throw refused(
      'invalid_prompt_id',
      'prompt_id must be a valid UUID',
      `${how}; omit it to let the server generate one`,
    );
  }
  if (!isRecord(extra)) throw refused('invalid_prompt', 'extra_data must be an object');
  if (number !== undefined && !Number.isFinite(Number(number)))
    throw refused('invalid_prompt', 'number must be a number');
  if (targets !== undefined && targets !== null && !isListOfTexts(targets)) {
    throw refused('invalid_prompt', 'partial_execution_targets must be a list of ids of nodes');
  }
  const { api_key_comfy_org: comfyKey } = extra;
  if (typeof comfyKey === 'string' && comfyKey.length > MOST_KEY_CHARS) {
    throw refused('invalid_prompt', `api_key_comfy_org has more than ${MOST_KEY_CHARS} characters`);
  }
  return {
    graph,
    id: typeof id === 'string' ? id : undefined,
    client: clientOf(sent.client_id ?? extra.client_id),
    number: number === undefined ? undefined : Number(number),
    front: Boolean(front),
    extraData: Object.fromEntries(Object.entries(extra).filter(([name]) => !SECRETS.includes(name))),
    comfyKey: typeof comfyKey === 'string' && comfyKey !== '' ? comfyKey : undefined,
    targets: isListOfTexts(targets) ? targets : undefined,
  };
}

/** What a client calls itself, as it is kept; undefined: nothing. */
export function clientOf(id: unknown): string | undefined {
  if (typeof id !== 'string' && typeof id !== 'number') return undefined;
  return String(id).slice(0, MOST_CLIENT_CHARS).toWellFormed() || undefined;
}

function isListOfTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
