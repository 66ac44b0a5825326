import { pythonText } from '@comfy-fleet/workflows';
import type { Maker } from '../made-values.js';
import type { NodeValue } from '../values.js';
import { type OutputWriter, writeOne } from './writer.js';

/** What Python's str() makes of what came: numbers and texts as they are, the rest by its kind. */
function shown(value: NodeValue): string {
  if (value.kind === 'primitive') return pythonText(value.value);
  return value.kind === 'images' ? `tensor of ${value.width}x${value.height}` : `<${value.kind}>`;
}

function textOf({ inputs }: Maker): string {
  const [value] = inputs.arrived;
  return value === undefined ? inputs.text('text', inputs.text('source')) : shown(value);
}

/** A picture of two shapes in its own colours. */
function svg({ mark }: Maker): Buffer {
  const [ground, sun] = [mark.slice(0, 6), mark.slice(6, 12)];
  return Buffer.from(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64">' +
      `<rect width="64" height="64" fill="#${ground}"/><circle cx="32" cy="32" r="18" fill="#${sun}"/></svg>\n`,
  );
}

export const texts: Record<string, OutputWriter> = {
  PreviewAny: async (maker) => ({ text: [textOf(maker)] }),
  SaveText: async (maker, context) => {
    const text = textOf(maker);
    const extension = `.${maker.inputs.text('format', 'txt')}`;
    return { text: [text], files: await writeOne(maker, context, extension, () => Buffer.from(text)) };
  },
  SaveSVGNode: async (maker, context) => ({ images: await writeOne(maker, context, '.svg', () => svg(maker)) }),
};
