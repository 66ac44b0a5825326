import {
  type InputFile,
  type InputValue,
  type Lod,
  PICTURE_FIELDS,
  type ResolvedRequest,
} from '@comfy-fleet/contracts';

/** A request of 0.1.0 and the versions after it that knew two workflows: every parameter was a field of its own. */
interface FlatRequest {
  readonly workflow: string;
  readonly lod: Lod;
  readonly priority: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly overrides?: readonly string[];
  readonly negativePrompt: string;
  readonly input?: {
    readonly sha256: string;
    readonly width: number;
    readonly height: number;
    readonly source?: string;
  };
}

/** The request of a record. Jobs that waited while the service was renewed have one as an earlier version wrote it. */
export function readRequest(text: string): ResolvedRequest {
  const stored = JSON.parse(text) as ResolvedRequest | FlatRequest;
  return 'inputs' in stored ? stored : fromFlat(stored);
}

function fromFlat(flat: FlatRequest): ResolvedRequest {
  const { workflow, lod, priority, metadata, overrides, negativePrompt, input } = flat;
  const fields: Readonly<Record<string, unknown>> = { ...flat, negative_prompt: negativePrompt };
  const inputs = PICTURE_FIELDS.map((name) => [name, fields[name] as InputValue]);
  return {
    workflow,
    version: '',
    lod,
    inputs: {
      ...Object.fromEntries(inputs),
      ...(input === undefined ? {} : { image: pictureOf(input) }),
    },
    ...(overrides === undefined ? {} : { overrides }),
    priority,
    metadata,
  };
}

function pictureOf({ sha256, ...more }: NonNullable<FlatRequest['input']>): InputFile {
  return { name: `${sha256}.png`, kind: 'image', ...more };
}
