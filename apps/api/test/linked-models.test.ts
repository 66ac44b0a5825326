import { openGraph } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import { atPlace } from '../src/orders/pointers.js';
import { refuseLinkedModels } from '../src/orders/refuse-job.js';
import { anonymousCaller } from '../src/server/gate.js';

const GRAPH_WITH_LINK = {
  1: { class_type: 'MyName', inputs: {} },
  2: { class_type: 'LoraLoaderModelOnly', inputs: { lora_name: ['1', 0], strength_model: 1 } },
};

it('refuses a link to the name of a model of a limited kind, unless the caller is an operator', () => {
  const { workflow } = openGraph(GRAPH_WITH_LINK, { catalogue: undefined });
  const refuse = (scopes: typeof anonymousCaller.scopes, limitedKinds: readonly ('loras' | 'vae')[]) => () =>
    refuseLinkedModels(
      workflow,
      { limitedKinds: new Set(limitedKinds) },
      {
        caller: { ...anonymousCaller, scopes },
        pointers: { input: () => '', node: (node, input) => atPlace({ node, ...(input && { input }) }) },
        known: [],
      },
    );
  expect(refuse(['jobs', 'graphs'], ['loras'])).toThrow(
    'lora_name of LoraLoaderModelOnly takes only the name of a model, no link',
  );
  expect(refuse(['jobs', 'graphs'], ['vae'])).not.toThrow();
  expect(refuse(['admin'], ['loras'])).not.toThrow();
});
