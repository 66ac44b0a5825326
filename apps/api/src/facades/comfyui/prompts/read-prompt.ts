import { isRecord } from '../../../server/is-record.js';
import { UUID } from '../own-prompt.js';
import { refused } from '../refusal.js';

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

/** Reads a body. Throws a ComfyuiRefusal for what ComfyUI would refuse. */
export function readPrompt(sent: unknown): SentPrompt {
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
