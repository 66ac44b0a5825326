import { LODS, type Lod, POOL_PATTERN } from '@comfy-fleet/contracts';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { Static } from 'typebox';
import Type from 'typebox';
import { FileFault } from './file-fault.js';
import { showJson } from './json-text.js';
import { suggest } from './wording.js';

const name = (description: string) => Type.String({ minLength: 1, description });

const profileSchema = Type.Object(
  {
    steps: Type.Integer({ minimum: 1, maximum: 10_000, description: 'a whole number of sampling steps, 1 to 10000' }),
    cfg: Type.Number({ minimum: 0, maximum: 100, description: 'a guidance scale, 0 to 100' }),
    sampler: name('the name of a sampler, as ComfyUI writes it, such as "euler_ancestral"'),
    scheduler: name('the name of a scheduler, as ComfyUI writes it, such as "normal"'),
    scale: Type.Number({
      exclusiveMinimum: 0,
      maximum: 4,
      description: "the factor for the template's width and height, above 0 up to 4",
    }),
    denoise: Type.Number({
      minimum: 0,
      maximum: 1,
      description: 'how much of an input picture is made anew, 0 (nothing) to 1 (all)',
    }),
    deadline_seconds: Type.Integer({
      minimum: 1,
      maximum: 86_400,
      description: 'a whole number of seconds, 1 to 86400: an execution that takes longer is interrupted',
    }),
    pool: Type.Optional(
      Type.String({
        pattern: POOL_PATTERN,
        description: 'the name of the pool that runs this level, up to 32 of a-z 0-9 -; none: the pool "default"',
      }),
    ),
    description: name('a sentence that tells people what the level is for'),
  },
  { additionalProperties: false },
);

const profilesSchema = Type.Object(
  Object.fromEntries(LODS.map((lod) => [lod, profileSchema])) as Record<Lod, typeof profileSchema>,
  { additionalProperties: false },
);

const ownProfile = Type.Optional(Type.Partial(profileSchema));

/** Profiles of an inputs file; omitted values are those of lod-profiles.json. */
export const ownProfilesSchema = Type.Object(
  Object.fromEntries(LODS.map((lod) => [lod, ownProfile])) as Record<Lod, typeof ownProfile>,
  { additionalProperties: false },
);

/** The values of a level of detail, unless the request sets its own. */
export interface LodProfile {
  readonly steps: number;
  readonly cfg: number;
  readonly sampler: string;
  readonly scheduler: string;
  /** Factor for the template's width and height. */
  readonly scale: number;
  /** For img2img only. */
  readonly denoise: number;
  /** Longest execution, in seconds. */
  readonly deadlineSeconds: number;
  /** The pool that runs this level; a workflow's own pool takes precedence. */
  readonly pool?: string;
  readonly description: string;
}

/** Compiled at its first use, because compiling takes far longer than validating. */
let validate: ValidateFunction | undefined;

/** Reads the parsed lod-profiles.json. Throws a FileFault with every error and how to fix it. */
export function readProfiles(json: unknown): Readonly<Record<Lod, LodProfile>> {
  // The schema is ours, and checking it would take ten times as long as compiling it.
  const options = { allErrors: true, verbose: true, strict: false, validateSchema: false, code: { optimize: false } };
  validate ??= new Ajv(options).compile(profilesSchema);
  if (!validate(json)) throw new FileFault(...(validate.errors ?? []).map(describe));
  const profiles = json as Static<typeof profilesSchema>;
  const entries = LODS.map((lod) => {
    const { deadline_seconds: deadlineSeconds, ...rest } = profiles[lod];
    return [lod, { ...rest, deadlineSeconds }] as const;
  });
  return Object.fromEntries(entries) as Record<Lod, LodProfile>;
}

function describe(error: ErrorObject): string {
  const [profile, key] = error.instancePath.split('/').slice(1);
  const where = profile === undefined ? 'the file' : `profile "${profile}"`;
  const known = profile === undefined ? [...LODS] : Object.keys(profileSchema.properties);
  if (error.keyword === 'additionalProperties') {
    const written = String(error.params.additionalProperty);
    return `${where} has an unknown key "${written}"${suggest(written, known)} (known: ${known.join(', ')})`;
  }
  if (error.keyword === 'required') {
    const missing = String(error.params.missingProperty);
    return `${where} has no "${missing}": write ${wanted(missing)}`;
  }
  if (key === undefined) return `${where} must be an object with ${known.join(', ')}`;
  return `profile "${profile}" has ${showJson(error.data)} as "${key}": write ${wanted(key)}`;
}

function wanted(key: string): string {
  const { properties } = profileSchema;
  return key in properties
    ? String(Object(properties[key as keyof typeof properties]).description)
    : `a profile with ${Object.keys(properties).join(', ')}`;
}
