import Type, { type Static } from 'typebox';
import { type GpuLimits, SIZE_STEP } from './parameters.js';

const most = (minimum: number) => Type.Optional(Type.Integer({ minimum }));

/** What one job may ask of a GPU, as the keys file and inputs files write it. */
export const gpuLimitFields = {
  max_steps: most(1),
  max_size: most(SIZE_STEP),
  max_count: most(1),
  max_pixels: most(1),
};

/** Of an inputs file. */
export const workflowLimitsSchema = Type.Object(
  { ...gpuLimitFields, max_cfg: Type.Optional(Type.Number({ minimum: 0 })) },
  { additionalProperties: false },
);

export function readGpuLimits(written: Static<typeof workflowLimitsSchema>): Partial<GpuLimits> {
  const { max_steps, max_cfg, max_size, max_count, max_pixels } = written;
  return {
    ...(max_steps === undefined ? {} : { maxSteps: max_steps }),
    ...(max_cfg === undefined ? {} : { maxCfg: max_cfg }),
    ...(max_size === undefined ? {} : { maxSize: max_size }),
    ...(max_count === undefined ? {} : { maxCount: max_count }),
    ...(max_pixels === undefined ? {} : { maxJobPixels: max_pixels }),
  };
}
