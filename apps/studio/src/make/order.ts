import type { Fleet, GenerateRequest, Img2ImgRequest, JobHandle } from '@comfy-fleet/client';
import type { FileValue } from '../form/values.js';

export type Lod = NonNullable<GenerateRequest['lod']>;

/** What is to be made. */
export interface Order {
  readonly workflow: string;
  /** Undefined: the newest. */
  readonly version?: string;
  /** Undefined: the workflow as it was saved. */
  readonly lod: Lod | undefined;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly files: Readonly<Record<string, FileValue>>;
}

/** text2img and img2img have calls of their own, whose jobs can be refined. */
export function placeOrder(fleet: Fleet, { workflow, version, lod, inputs, files }: Order): Promise<JobHandle> {
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
