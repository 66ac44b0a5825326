import {
  type Fleet,
  FleetError,
  type GenerateRequest,
  type Img2ImgRequest,
  type Job,
  type JobHandle,
} from '@comfy-fleet/client';
import type { FileValue } from '../form/fields.js';

export type Lod = NonNullable<GenerateRequest['lod']>;

/** A job request, as the form describes it. */
export interface JobRequest {
  readonly workflow: string;
  /** Undefined: the newest version. */
  readonly version?: string;
  /** Undefined: the workflow as it was saved. */
  readonly lod: Lod | undefined;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly files: Readonly<Record<string, FileValue>>;
}

/** Sends the request. text2img and img2img use their own routes, whose jobs can be refined. */
export function sendRequest(fleet: Fleet, { workflow, version, lod, inputs, files }: JobRequest): Promise<JobHandle> {
  const level = lod === undefined ? {} : { lod };
  if (workflow === 'text2img' && version === undefined)
    return fleet.generate({ ...(inputs as { prompt: string }), ...level } as GenerateRequest);
  if (workflow === 'img2img' && version === undefined) {
    const { image } = files;
    const from = image?.from === 'disk' ? { image: image.file } : image && { source: image.name };
    return fleet.img2img({ ...(inputs as Omit<Img2ImgRequest, 'image'>), ...level, ...from });
  }
  const given = Object.entries(files);
  const sent = given.flatMap(([name, value]) => (value.from === 'disk' ? [[name, value.file] as const] : []));
  const named = given.flatMap(([name, value]) => (value.from === 'job' ? [[name, jobFile(value)] as const] : []));
  return fleet.run(
    workflow,
    { ...inputs, ...Object.fromEntries(named) },
    { ...level, ...(version === undefined ? {} : { version }), files: Object.fromEntries(sent) },
  );
}

function jobFile({ job, index }: FileValue & { from: 'job' }): string {
  return `job:${job}/${index}`;
}

/** The fields of a job's record that text2img and img2img accept. */
const TAKEN = [
  'prompt',
  'negative_prompt',
  'seed',
  'steps',
  'cfg',
  'sampler',
  'scheduler',
  'width',
  'height',
  'count',
  'checkpoint',
] as const;

/** The request that repeats a job with the same seed, without the files that were uploaded for it. */
export function requestOf(job: Job): JobRequest {
  const { request, kind, lod } = job;
  if (kind === 'workflow') {
    const inputs = Object.entries(request.inputs ?? {}).filter(([, value]) => typeof value !== 'object');
    return { workflow: request.workflow, lod: lod ?? undefined, inputs: Object.fromEntries(inputs), files: {} };
  }
  const given = TAKEN.flatMap((name) =>
    request[name] === undefined || request[name] === '' ? [] : [[name, request[name]]],
  );
  const denoise = kind === 'img2img' && request.denoise !== undefined ? { denoise: request.denoise } : {};
  const { image } = request;
  const source = image?.source === undefined ? {} : { source: image.source };
  return {
    workflow: kind,
    lod: lod ?? undefined,
    inputs: { ...Object.fromEntries(given), ...denoise, ...source },
    files: {},
  };
}

/** The API's messages about a request, by field. */
export function faultsOf(error: Error | null): Readonly<Record<string, string>> {
  const errors = error instanceof FleetError ? error.errors : [];
  return Object.fromEntries(errors.map(({ pointer, detail }) => [pointer.split('/').at(-1) ?? '', detail]));
}
