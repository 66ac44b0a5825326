import { MODEL_KINDS } from '@comfy-fleet/contracts';
import Type from 'typebox';
import { choices, flag, integer, optional, optionalPath, optionalText, targets } from '../setting.js';

const MIB = 1024 * 1024;

/** One kind, to be repeated in a list. Embeddings are named in texts, so nobody could be kept from using them. */
const KIND = `(${MODEL_KINDS.filter((kind) => kind !== 'embeddings').join('|')})`;

/** Models that workers fetch when jobs need them. */
export const modelsSchema = {
  models: {
    dir: optionalPath(
      'COMFYUI_MODELS_DIR',
      'The models folder of the ComfyUI instances, if this worker can write to it: it fetches registered models there when jobs need them; not set: it fetches none',
    ),
    maxBytes: optional(
      'MODELS_MAX_BYTES',
      Type.Integer({
        minimum: 1,
        description:
          'Most bytes of fetched models in a models folder, unfinished ones included; others there do not count. Not set: 80 % of the volume',
      }),
    ),
    /** Nothing is fetched that would leave less than this on the volume. */
    minFreeBytes: 1024 * MIB,
    credentialsFile: optionalPath(
      'MODEL_CREDENTIALS_FILE',
      'JSON or YAML file with the credentials for sources of models, by the beginning of their URLs',
    ),
    allowPickle: flag(
      'ALLOW_PICKLE_MODELS',
      '1: also models that are pickles (.ckpt, .pt, .bin) may be fetched, although loading them can run code',
    ),
    sourceAllow: targets('MODEL_SOURCE_ALLOW', 'models may be fetched from although they are not public'),
    urlKinds: choices(
      'MODEL_URL_KINDS',
      'loras',
      KIND,
      "Comma-separated kinds of models that keys with the scope models may name by a URL, by ComfyUI's names of their folders",
    ),
    urlMaxBytes: integer(
      'MODEL_URL_MAX_BYTES',
      4096 * MIB,
      1,
      'Largest model that a caller may name by a URL, in bytes',
    ),
    /** A model that is about to be evicted waits so long, until no worker can claim a job for it. */
    evictAfterMs: 2500,
    /** How much of its downloads a killed worker repeats at most. */
    chunkBytes: 32 * MIB,
    peers: {
      url: optionalText(
        'MODEL_PEERS',
        'Address at which the workers of other hosts reach this one, such as http://gpu-1:8190: this worker listens on its port, and hosts fetch models from each other before they use their sources; not set: they do not',
        '^http://[^\\s/?#@]+/?$',
      ),
      token: optional(
        'MODEL_PEERS_TOKEN',
        Type.String({
          minLength: 16,
          writeOnly: true,
          description: 'Secret that all workers share, with which they fetch models from each other',
        }),
      ),
      bytesPerSecond: integer(
        'MODEL_PEERS_BYTES_PER_SECOND',
        125_000_000,
        1,
        'Most bytes per second of models that this worker sends to other hosts',
      ),
    },
  },
};
