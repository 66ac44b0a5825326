/** Levels of detail, from a quick look to the finished picture. */
export const LODS = ['sketch', 'mid', 'final', 'direct_final'] as const;
export type Lod = (typeof LODS)[number];

/** What a job makes a picture from. The workflow template of the same role carries the same name. */
export const JOB_KINDS = ['text2img', 'img2img'] as const;
export type JobKind = (typeof JOB_KINDS)[number];
