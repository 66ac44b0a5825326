import { describe, expect, it } from 'vitest';
import { bodyOf, nameOfFile } from '../../src/workflows/draft.js';
import {
  entryAt,
  hiddenOf,
  nameAt,
  withEntry,
  withName,
  withOutput,
  withoutEntry,
} from '../../src/workflows/inputs-file.js';

const at = (node: string, widget: string) => [{ node, widget }];
const SHOWN = ['prompt', 'seed', 'steps', 'cfg'];
const steps = { name: 'steps', places: at('3', 'steps'), isAdvanced: true };
const seed = { name: 'seed', places: at('3', 'seed'), isAdvanced: false };

/** Orders inputs as the service does: those of the file first, then the others, each by its `order` if it has one. */
function shownBy(inputs: Readonly<Record<string, { order?: number | undefined }>>, names: readonly string[]): string[] {
  const found = [...Object.keys(inputs), ...names.filter((name) => !Object.hasOwn(inputs, name))];
  return found
    .map((name, index) => ({ name, order: inputs[name]?.order ?? index + 1 }))
    .sort((a, b) => a.order - b.order)
    .map(({ name }) => name);
}

describe('an inputs file', () => {
  it('keeps the displayed order of inputs, whichever of them is changed', () => {
    const first = withEntry({}, SHOWN, steps, { maximum: 9 });
    const both = withEntry(first, SHOWN, seed, { description: 'Luck' });
    expect(shownBy(first.inputs ?? {}, SHOWN)).toEqual(SHOWN);
    expect(shownBy(both.inputs ?? {}, SHOWN)).toEqual(SHOWN);
    const moved = withEntry(both, ['steps', 'prompt', 'seed', 'cfg'], steps, {});
    expect(shownBy(moved.inputs ?? {}, SHOWN)).toEqual(['steps', 'prompt', 'seed', 'cfg']);
  });

  it('names the widget, keeps inputs under Advanced, and drops entries that are reset', () => {
    const { inputs = {} } = withEntry({}, SHOWN, steps, { maximum: 9 });
    expect(inputs.steps).toMatchObject({ node: '3', widget: 'steps', maximum: 9, advanced: true });
    const renamed = withName({ inputs: { steps: { node: '3' } } }, SHOWN, 'steps', 'quality');
    expect(Object.keys(renamed.inputs ?? {})).toEqual(['quality']);
    const meant = withEntry({ inputs: { steps: { node: '3' } } }, SHOWN, steps, {});
    expect(meant.inputs?.steps).toMatchObject({ node: '3', widget: 'steps' });
    expect(withoutEntry({ inputs }, SHOWN, 'steps')).toEqual({ inputs: {} });
  });

  it('finds a renamed input by its place', () => {
    const renamed = withName(withEntry({}, SHOWN, steps, {}), SHOWN, 'steps', 'quality');
    expect(nameAt(renamed, steps.places)).toBe('quality');
    expect(nameAt(renamed, seed.places)).toBeUndefined();
  });

  it('lists the places of an input that sets several widgets', () => {
    expect(entryAt([...at('4', 'width'), ...at('7', 'width')])).toEqual({ node: ['4', '7'], widget: 'width' });
    expect(entryAt([...at('6', 'text_g'), ...at('6', 'text_l')])).toEqual({
      node: [...at('6', 'text_g'), ...at('6', 'text_l')],
    });
  });

  it('names each output once, and lists hidden inputs', () => {
    const named = withOutput(withOutput({}, '9', 'picture'), '9', 'sheet');
    expect(named.outputs).toEqual({ sheet: '9' });
    expect(hiddenOf({ inputs: { cfg: { node: '3', hidden: true }, seed: { node: '3' } } })).toEqual(['cfg']);
  });
});

describe('a draft', () => {
  it('is sent with its graph unchanged, with exact seeds', () => {
    const graph = '{"3":{"class_type":"KSampler","inputs":{"seed":18446744073709551615}}}';
    const draft = { name: 'a', graph, bindings: null, linearData: { inputs: [] }, file: {}, isCarriedOver: false };
    expect(bodyOf(draft)).toBe(`{"graph":${graph},"inputs":{},"linear_data":{"inputs":[]}}`);
  });

  it.each([
    ['Flux dev (final).json', 'Flux-dev-final'],
    ['graph.json', 'my-workflow'],
    ['_x.png', 'x'],
    ['.json', 'my-workflow'],
  ])('calls %s %s', (file, name) => {
    expect(nameOfFile(file)).toBe(name);
  });
});
