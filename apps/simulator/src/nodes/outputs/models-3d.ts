import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { glb } from '../../media/glb.js';
import type { Maker } from '../made-values.js';
import type { NodeContext } from '../node.js';
import { noteOf, type OutputWriter, writeOne } from './writer.js';

const mesh = (maker: Maker, context: NodeContext) => glb(colourOf(maker.mark), noteOf(maker, context));

/** Four points: what a viewer of point clouds shows. */
function points({ mark }: Maker): Buffer {
  const colour = colourOf(mark).map((part) => Math.round(part * 255));
  const head = [
    'ply',
    'format ascii 1.0',
    'element vertex 4',
    'property float x',
    'property float y',
    'property float z',
  ];
  const colours = ['property uchar red', 'property uchar green', 'property uchar blue', 'end_header'];
  const corners = ['1 1 1', '-1 -1 1', '-1 1 -1', '1 -1 -1'].map((corner) => `${corner} ${colour.join(' ')}`);
  return Buffer.from(`${[...head, ...colours, ...corners].join('\n')}\n`);
}

function colourOf(mark: string): [number, number, number] {
  const part = (at: number) => Number.parseInt(mark.slice(at, at + 2), 16) / 255;
  return [part(0), part(2), part(4)];
}

const saved: OutputWriter = async (maker, context) => ({
  '3d': await writeOne(maker, context, '.glb', () => mesh(maker, context)),
});

const savedPoints: OutputWriter = async (maker, context) => ({
  '3d': await writeOne(maker, context, '.ply', () => points(maker)),
});

/** Its viewer gets the name of the file, which only a file of its own has, and where the camera stands. */
const shown =
  (extension: '.glb' | '.ply'): OutputWriter =>
  async (maker, context) => {
    const given = maker.inputs.text('model_file');
    if (given !== '') return { result: [given, null, null] };
    const make = () => (extension === '.glb' ? mesh(maker, context) : points(maker));
    const filename = `preview3d_${maker.mark.slice(0, 32)}${extension}`;
    await mkdir(context.folders.output, { recursive: true });
    await writeFile(join(context.folders.output, filename), make());
    return { result: [filename, null, null] };
  };

export const models3d: Record<string, OutputWriter> = {
  SaveGLB: saved,
  Save3DAdvanced: saved,
  SaveGaussianSplat: savedPoints,
  SavePointCloud: savedPoints,
  Preview3D: shown('.glb'),
  Preview3DAnimation: shown('.glb'),
  Preview3DAdvanced: shown('.glb'),
  PreviewGaussianSplat: shown('.ply'),
  PreviewPointCloud: shown('.ply'),
};
