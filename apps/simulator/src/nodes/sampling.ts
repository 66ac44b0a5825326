import { drawPreview } from '../drawing/draw.js';
import type { NodeContext, NodeInputs, NodeResult, NodeRunner } from './node.js';
import type { Conditioning, Latent, Model, Painting } from './values.js';

interface Sampling {
  readonly latent: Latent;
  readonly model: Model;
  readonly positive: Conditioning;
  readonly negative: Conditioning | undefined;
  readonly seed: string;
  /** The steps to run. */
  readonly steps: number;
  readonly denoise: number;
  readonly cfg: number;
  readonly sampler: string;
  readonly scheduler: string;
}

/** Runs the steps and returns the painted latent. */
async function sample(job: Sampling, context: NodeContext): Promise<Latent> {
  const painting: Painting = {
    seed: job.seed,
    steps: job.steps,
    denoise: job.denoise,
    cfg: job.cfg,
    positive: job.positive.texts.join(', '),
    negative: (job.negative?.texts ?? []).join(', '),
    style: [job.model.name, ...job.model.loras, job.sampler, job.scheduler].join('|'),
  };
  const done: Latent = { ...job.latent, content: { kind: 'painted', under: job.latent.content, painting } };
  const total = job.denoise > 0 ? job.steps : 0;
  if (total > 0) await context.useModels([job.model.name]);
  for (let step = 1; step <= total; step++) {
    await context.step(step, total, () => drawPreview(done, step / total));
  }
  return total > 0 ? done : job.latent;
}

async function kSampler(inputs: NodeInputs, context: NodeContext): Promise<NodeResult> {
  const job = {
    ...common(inputs),
    seed: inputs.digits('seed'),
    steps: inputs.number('steps'),
    denoise: inputs.number('denoise', 1),
  };
  return { outputs: [await sample(job, context)] };
}

async function kSamplerAdvanced(inputs: NodeInputs, context: NodeContext): Promise<NodeResult> {
  const steps = inputs.number('steps');
  const start = Math.min(inputs.number('start_at_step'), steps);
  const run = Math.max(0, Math.min(inputs.number('end_at_step', steps), steps) - start);
  const job = {
    ...common(inputs),
    seed: inputs.digits('noise_seed'),
    steps: run,
    denoise: run === 0 ? 0 : (steps - start) / steps,
  };
  return { outputs: [await sample(job, context)] };
}

function common(inputs: NodeInputs) {
  return {
    latent: inputs.get('latent_image', 'latent'),
    model: inputs.get('model', 'model'),
    positive: inputs.get('positive', 'conditioning'),
    negative: inputs.find('negative', 'conditioning'),
    cfg: inputs.number('cfg', 1),
    sampler: inputs.text('sampler_name'),
    scheduler: inputs.text('scheduler'),
  };
}

async function samplerCustom(inputs: NodeInputs, context: NodeContext): Promise<NodeResult> {
  const sigmas = inputs.get('sigmas', 'sigmas');
  const job = {
    ...common(inputs),
    seed: inputs.digits('noise_seed'),
    steps: sigmas.steps,
    denoise: sigmas.denoise,
    sampler: inputs.get('sampler', 'sampler').name,
    scheduler: sigmas.scheduler,
  };
  const latent = await sample(job, context);
  return { outputs: [latent, latent] };
}

async function samplerCustomAdvanced(inputs: NodeInputs, context: NodeContext): Promise<NodeResult> {
  const sigmas = inputs.get('sigmas', 'sigmas');
  const guider = inputs.get('guider', 'guider');
  const job = {
    latent: inputs.get('latent_image', 'latent'),
    model: guider.model,
    positive: guider.positive,
    negative: guider.negative,
    cfg: guider.cfg,
    seed: inputs.get('noise', 'noise').seed,
    steps: sigmas.steps,
    denoise: sigmas.denoise,
    sampler: inputs.get('sampler', 'sampler').name,
    scheduler: sigmas.scheduler,
  };
  const latent = await sample(job, context);
  return { outputs: [latent, latent] };
}

/** Splits the steps at `step`. */
function splitSigmas(inputs: NodeInputs): NodeResult {
  const sigmas = inputs.get('sigmas', 'sigmas');
  const high = Math.min(inputs.number('step'), sigmas.steps);
  const low = sigmas.steps - high;
  const lowDenoise = sigmas.steps === 0 ? 0 : (sigmas.denoise * low) / sigmas.steps;
  return {
    outputs: [
      { ...sigmas, steps: high },
      { ...sigmas, steps: low, denoise: lowDenoise },
    ],
  };
}

export const SAMPLER_CLASSES: ReadonlySet<string> = new Set([
  'KSampler',
  'KSamplerAdvanced',
  'SamplerCustom',
  'SamplerCustomAdvanced',
]);

export const sampling: Record<string, NodeRunner> = {
  KSampler: kSampler,
  KSamplerAdvanced: kSamplerAdvanced,
  SamplerCustom: samplerCustom,
  SamplerCustomAdvanced: samplerCustomAdvanced,
  RandomNoise: (inputs) => ({ outputs: [{ kind: 'noise', seed: inputs.digits('noise_seed') }] }),
  KSamplerSelect: (inputs) => ({ outputs: [{ kind: 'sampler', name: inputs.text('sampler_name') }] }),
  BasicScheduler: (inputs) => ({
    outputs: [
      {
        kind: 'sigmas',
        scheduler: inputs.text('scheduler'),
        steps: inputs.number('steps'),
        denoise: inputs.number('denoise', 1),
      },
    ],
  }),
  KarrasScheduler: (inputs) => ({
    outputs: [{ kind: 'sigmas', scheduler: 'karras', steps: inputs.number('steps'), denoise: 1 }],
  }),
  SplitSigmas: splitSigmas,
  CFGGuider: (inputs) => ({
    outputs: [
      {
        kind: 'guider',
        model: inputs.get('model', 'model'),
        positive: inputs.get('positive', 'conditioning'),
        negative: inputs.get('negative', 'conditioning'),
        cfg: inputs.number('cfg', 1),
      },
    ],
  }),
  BasicGuider: (inputs) => ({
    outputs: [
      {
        kind: 'guider',
        model: inputs.get('model', 'model'),
        positive: inputs.get('conditioning', 'conditioning'),
        negative: undefined,
        cfg: 1,
      },
    ],
  }),
};
