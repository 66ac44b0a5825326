import { clip } from '../../media/clips.js';
import { flacTone } from '../../media/flac.js';
import type { Maker } from '../made-values.js';
import type { NodeContext } from '../node.js';
import { type OutputWriter, writeOne } from './writer.js';

/** 220 to 730 Hz, by what made it. */
const flac = ({ mark }: Maker) => flacTone(220 + 2 * Number.parseInt(mark.slice(0, 2), 16));

function makerOf(format: string, maker: Maker): () => Buffer | Promise<Buffer> {
  if (format === 'mp3') return () => clip('tone.mp3', maker.mark);
  return format === 'opus' ? () => clip('tone.opus', maker.mark) : () => flac(maker);
}

async function write(format: string, maker: Maker, context: NodeContext, type: 'output' | 'temp' = 'output') {
  return { audio: await writeOne(maker, context, `.${format}`, makerOf(format, maker), type) };
}

export const sounds: Record<string, OutputWriter> = {
  SaveAudio: (maker, context) => write('flac', maker, context),
  SaveAudioMP3: (maker, context) => write('mp3', maker, context),
  SaveAudioOpus: (maker, context) => write('opus', maker, context),
  SaveAudioAdvanced: (maker, context) => write(maker.inputs.text('format', 'flac'), maker, context),
  PreviewAudio: (maker, context) => write('flac', maker, context, 'temp'),
};
