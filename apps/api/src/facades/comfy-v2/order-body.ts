import { FleetError, MAX_COMFY_KEY_CHARS } from '@comfy-fleet/contracts';
import { isRecord } from '../../server/is-record.js';
import { ComfyV2Error, invalidWorkflow } from './errors.js';

export interface OrderBody {
  readonly workflow: object;
  readonly comfyKey: string | undefined;
}

const KEY_OF_COMFY = 'api_key_comfy_org';
/** Reserved by the specification for what is to come. */
const RESERVED = ['webhook_url', 'inputs'];
/** What ComfyUI's editor saves has both. */
const OF_EDITOR = ['nodes', 'links'];

/**
 * The body of POST /api/v2/jobs. Throws malformed_request for an extra_data that is not as the
 * specification closes it, workflow_format_ui and invalid_workflow. Fields that nobody knows are not looked at.
 */
export function readOrderBody(body: unknown): OrderBody {
  if (!isRecord(body)) throw new FleetError('malformed_request', 'The body must be an object with a workflow.');
  const reserved = RESERVED.find((field) => Object.hasOwn(body, field));
  if (reserved !== undefined) throw invalidWorkflow(`${reserved} is reserved, and not possible yet.`);
  const comfyKey = comfyKeyOf(body.extra_data);
  const { workflow } = body;
  if (!isRecord(workflow)) throw invalidWorkflow('workflow is required: a graph in the API format of ComfyUI.');
  if (OF_EDITOR.every((field) => Array.isArray(workflow[field]))) {
    const detail = 'This is the format of ComfyUI’s editor. Choose Workflow → Export (API) there, and send that.';
    throw new ComfyV2Error('validation_failed', 'workflow_format_ui', detail);
  }
  return { workflow, comfyKey };
}

function comfyKeyOf(extra: unknown): string | undefined {
  if (extra === undefined || extra === null) return undefined;
  const unknown = isRecord(extra) ? Object.keys(extra).filter((field) => field !== KEY_OF_COMFY) : [];
  const key = isRecord(extra) ? (extra[KEY_OF_COMFY] ?? undefined) : undefined;
  if (isRecord(extra) && unknown.length === 0 && (key === undefined || isKey(key))) return key === '' ? undefined : key;
  const detail = `extra_data takes only ${KEY_OF_COMFY}, a text of at most ${MAX_COMFY_KEY_CHARS} characters.`;
  throw new FleetError('malformed_request', detail);
}

function isKey(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_COMFY_KEY_CHARS;
}
