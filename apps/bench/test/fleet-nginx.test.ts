import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { siteOf } from '../src/trials/behind-nginx/nginx-config.js';

const SITE = new URL('../../../infra/nginx/comfy-fleet.conf', import.meta.url);

it("takes the operators' site with the run's ports in place of its addresses, and the options of its servers", async () => {
  const site = await readFile(SITE, 'utf8');
  const apis = [
    { port: 5001, down: false },
    { port: 5002, down: true },
    { port: 5003, down: false },
  ];
  const own = siteOf(site, { dir: '/run/x', port: 5000, apis });
  expect(own.match(/^ *(server 127|listen|access_log).*/gm)?.map((line) => line.trim())).toEqual([
    'server 127.0.0.1:5001 max_fails=3 fail_timeout=2s;',
    'server 127.0.0.1:5002 max_fails=3 fail_timeout=2s down;',
    'server 127.0.0.1:5003 max_fails=3 fail_timeout=2s;',
    'listen 127.0.0.1:5000;',
    'access_log /run/x/nginx-site.log comfy_fleet;',
    'access_log /run/x/nginx-access.log run;',
  ]);
  const rest = (text: string) => text.split('\n').filter((line) => !/server 127|listen|access_log/.test(line));
  expect(rest(own)).toEqual(rest(site));
});

it('says so when the site is written in another way', () => {
  expect(() => siteOf('upstream x { server unix:/run/api; }', { dir: '/run/x', port: 1, apis: [] })).toThrow(
    'other lines',
  );
});
