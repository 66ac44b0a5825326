import { expect, it } from 'vitest';
import { checkout } from '../installation.mjs';
import { welcome } from '../welcome.mjs';

const FACTS = {
  installation: checkout('/srv/comfy-fleet'),
  ...{ url: 'http://127.0.0.1:3000', simulated: false, studio: true, needs: { checkpoint: null }, seconds: 2 },
};

it('shows commands that send a key where callers need one', () => {
  const bearer = ' -H "authorization: Bearer $COMFY_FLEET_KEY"';
  expect(welcome({ ...FACTS, keys: true }).split(bearer)).toHaveLength(3);
  expect(welcome({ ...FACTS, keys: false })).not.toContain('COMFY_FLEET_KEY');
});
