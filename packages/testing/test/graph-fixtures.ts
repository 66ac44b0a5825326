import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const DIR = join(import.meta.dirname, 'graphs');

type Node = { readonly class_type: string; readonly inputs: Readonly<Record<string, unknown>> };

/** A workflow as exported from ComfyUI, with its accompanying files; or a picture that ComfyUI saved. */
export interface GraphFixture {
  readonly name: string;
  readonly graph: Readonly<Record<string, Node>>;
  readonly inputsFile: unknown;
  readonly picture: Buffer | undefined;
}

const read = (file: string): unknown => JSON.parse(readFileSync(join(DIR, file), 'utf8'));

/** Reads the graph that ComfyUI wrote into a PNG as the text `prompt`. */
function promptIn(picture: Buffer): GraphFixture['graph'] {
  const from = picture.indexOf('tEXtprompt\0');
  const text = picture.toString('utf8', from + 'tEXtprompt\0'.length, from + 4 + picture.readUInt32BE(from - 4));
  return JSON.parse(text) as GraphFixture['graph'];
}

export const graphFixtures: readonly GraphFixture[] = readdirSync(DIR)
  .filter((file) => !file.endsWith('.inputs.json'))
  .map((file) => {
    const name = file.replace(/\.\w+$/, '');
    if (file.endsWith('.png')) {
      const picture = readFileSync(join(DIR, file));
      return { name, graph: promptIn(picture), inputsFile: undefined, picture };
    }
    const beside = `${name}.inputs.json`;
    const inputsFile = readdirSync(DIR).includes(beside) ? read(beside) : undefined;
    return { name, graph: read(file) as GraphFixture['graph'], inputsFile, picture: undefined };
  });

/** Every value of these inputs of these classes in all graphs. */
function named(...places: readonly (readonly [className: RegExp, input: RegExp])[]): string[] {
  const values = graphFixtures.flatMap(({ graph }) =>
    Object.values(graph).flatMap(({ class_type, inputs }) =>
      Object.entries(inputs).flatMap(([input, value]) =>
        typeof value === 'string' && places.some(([classes, names]) => classes.test(class_type) && names.test(input))
          ? [value]
          : [],
      ),
    ),
  );
  return [...new Set(values)].sort();
}

/** Settings of a simulated ComfyUI that has every model file of the graphs. */
export const withTheirModels = {
  checkpoints: named([/Checkpoint/, /^ckpt_name$/]),
  loras: named([/^Lora/, /^lora_name$/]),
  vaes: named([/^VAELoader$/, /^vae_name$/]),
  controlnets: named([/^ControlNetLoader$/, /^control_net_name$/]),
  diffusionModels: named([/^UNETLoader$/, /^unet_name$/]),
  textEncoders: named([/CLIPLoader$/, /^clip_name/]),
  modelFiles: { upscale_models: named([/^UpscaleModelLoader$/, /^model_name$/]) },
};
