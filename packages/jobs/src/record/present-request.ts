import {
  type InputFile,
  type InputValue,
  isInputFile,
  type Job,
  type JobKind,
  PICTURE_FIELDS,
  presentSeed,
  type ResolvedRequest,
} from '@comfy-fleet/contracts';

/** What a job runs with, as callers see it: of text2img and img2img each value is a field, of other workflows an input. */
export function presentRequest(kind: JobKind, request: ResolvedRequest): Job['request'] {
  const { workflow, version, priority, outputs } = request;
  const about = { workflow, version, lod: presentLod(request), priority };
  if (kind !== 'workflow') return withFlatInputs(about, request.inputs);
  const inputs = Object.entries(request.inputs).map(([name, value]) => [name, presentValue(name, value)]);
  return { ...about, inputs: Object.fromEntries(inputs), ...(outputs === undefined ? {} : { outputs: [...outputs] }) };
}

/** Null where no level was applied. */
export function presentLod({ lod, asSaved }: ResolvedRequest): Job['lod'] {
  return asSaved ? null : lod;
}

/** The fields are those of the schema, whatever else an operator's text2img takes. */
function withFlatInputs(about: Job['request'], inputs: ResolvedRequest['inputs']): Job['request'] {
  const shown: Record<string, unknown> = about;
  for (const name of PICTURE_FIELDS) {
    const value = inputs[name];
    if (value !== undefined) shown[name] = presentValue(name, value);
  }
  if (isInputFile(inputs.image)) shown.image = presentPicture(inputs.image);
  return about;
}

function presentValue(name: string, value: InputValue): unknown {
  if (isInputFile(value)) return presentFile(value);
  return name === 'seed' && typeof value === 'string' ? presentSeed(value) : value;
}

function presentFile({ name, kind, width, height, source }: InputFile) {
  return {
    name,
    kind,
    ...(width === undefined ? {} : { width }),
    ...(height === undefined ? {} : { height }),
    ...(source === undefined ? {} : { source }),
  };
}

function presentPicture({ name, width = 0, height = 0, source }: InputFile): NonNullable<Job['request']['image']> {
  const sha256 = name.slice(0, name.indexOf('.'));
  return { sha256, width, height, ...(source === undefined ? {} : { source }) };
}
