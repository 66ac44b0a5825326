import { FleetError } from '@comfy-fleet/client';
import { expect, it } from 'vitest';
import { EXIT, explain } from '../src/exit-codes.js';

it.each([
  ['/steps', '--steps'],
  ['/negative_prompt', '--negative-prompt'],
  ['/inputs/style', '--input style'],
  ['/metadata/shelf', '--metadata shelf'],
  ['/prompt', 'the prompt'],
])('says of the field %s of the API what it is called on the command line: %s', (pointer, option) => {
  const detail = 'must be 150 or less';
  const problem = {
    code: 'validation_failed',
    status: 422,
    detail: `${pointer} ${detail}.`,
    errors: [{ pointer, detail }],
  };
  expect(explain(new FleetError(problem, new Headers()))).toEqual({ text: `${option} ${detail}.`, code: EXIT.refused });
});
