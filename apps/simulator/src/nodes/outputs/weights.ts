import { type OutputWriter, writeOne } from './writer.js';

/** A safetensors file with one small tensor. */
function weights(mark: string): Buffer {
  const header = JSON.stringify({
    latent_tensor: { dtype: 'U8', shape: [mark.length], data_offsets: [0, mark.length] },
  });
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
  const length = Buffer.alloc(8);
  length.writeUInt32LE(padded.length);
  return Buffer.concat([length, Buffer.from(padded), Buffer.from(mark)]);
}

/** Saved models stay on the server: nothing is shown of them. */
const model: OutputWriter = async (maker, context) => {
  await writeOne(maker, context, '.safetensors', () => weights(maker.mark));
  return undefined;
};

export const weightFiles: Record<string, OutputWriter> = {
  SaveLatent: async (maker, context) => ({
    latents: await writeOne(maker, context, '.latent', () => weights(maker.mark)),
  }),
  CheckpointSave: model,
  CLIPSave: model,
  VAESave: model,
  ModelSave: model,
  ImageOnlyCheckpointSave: model,
  LoraSave: model,
  SaveLoRA: model,
  SaveLoRANode: model,
};
