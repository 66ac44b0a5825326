// Imports point one way: apps → {jobs, comfyui, frames} → {config, telemetry, workflows, safe-http, redis} →
// contracts, and client → contracts; redis takes its settings from config and its log from telemetry.

const BASE = ['config', 'telemetry', 'workflows', 'safe-http'];
const MIDDLE = ['jobs', 'comfyui', 'frames'];
/** @type {Record<string, string[]>} */
const ALLOWED = {
  contracts: [],
  client: ['contracts'],
  ...Object.fromEntries(BASE.map((name) => [name, ['contracts']])),
  ...Object.fromEntries(MIDDLE.map((name) => [name, ['contracts', 'redis', ...BASE]])),
  redis: ['config', 'telemetry'],
};

/** `testing` has a rule of its own, and may import anything. */
const layers = Object.entries(ALLOWED).map(([name, allowed]) => ({
  name: `layers-${name}`,
  comment: `packages/${name} may import ${allowed.length === 0 ? 'no other package' : allowed.join(', ')}`,
  severity: 'error',
  from: { path: `^packages/${name}/` },
  to: { path: '^(apps|packages|infra)/', pathNot: `^packages/(${[name, ...allowed, 'testing'].join('|')})/` },
}));

/** What the API is measured against: the least that a job API could be, made of the libraries themselves. */
const BARE_SERVER = 'apps/bench/src/measure/api/bare-server\\.ts$';

/** @type {(library: string, homes: string[], exception?: string) => { name: string }} */
const onlyIn = (library, homes, exception) => ({
  name: `${library}-only-at-home`,
  comment: `${library} is imported only in ${homes.join(' and ')}`,
  severity: 'error',
  from: { pathNot: [`^(${homes.join('|')})/`, ...(exception === undefined ? [] : [`^${exception}`])] },
  to: { path: `(^|node_modules/)${library}(/|$)` },
});

/** What the folders of an app or package may import of each other; in the order of its table nothing turns back. */
/** @type {(home: string, allowed: Record<string, string[]>) => { name: string }[]} */
const foldersOf = (home, allowed) =>
  Object.entries(allowed).map(([name, others]) => ({
    name: `${home.replaceAll('/', '-')}-${name}`,
    comment: `${home}/src/${name} may import ${others.length === 0 ? 'no other folder' : others.join(', ')}`,
    severity: 'error',
    from: { path: `^${home}/src/${name}/` },
    to: { path: `^${home}/src/[^/]+/`, pathNot: `^${home}/src/(${[name, ...others].join('|')})/` },
  }));

const folders = [
  ...foldersOf('apps/api', {
    server: [],
    models: ['server'],
    workflows: ['server', 'models'],
    decoding: ['server'],
    files: ['server', 'decoding'],
    orders: ['server', 'decoding', 'files', 'models', 'workflows'],
    openapi: ['server'],
    resources: ['openapi', 'server', 'files', 'models', 'workflows', 'orders'],
    facades: ['server', 'decoding', 'files', 'models', 'workflows', 'orders'],
  }),
  ...foldersOf('apps/worker', {
    instance: [],
    submission: ['instance'],
    slots: ['instance', 'submission'],
    models: ['instance'],
    upkeep: ['instance', 'submission', 'slots'],
    'encode-ahead': ['instance', 'submission', 'slots'],
    job: ['instance', 'submission', 'slots', 'encode-ahead'],
    claiming: ['instance', 'slots', 'job'],
    reporting: ['instance', 'slots', 'job'],
  }),
  ...foldersOf('packages/jobs', {
    lua: [],
    record: ['lua'],
    queue: ['lua', 'record'],
    scheduling: ['lua', 'record'],
    models: ['lua', 'record', 'scheduling'],
    workers: ['lua', 'models', 'queue', 'record', 'scheduling'],
    webhooks: ['lua', 'queue', 'record'],
    figures: ['lua', 'models', 'record', 'scheduling', 'workers'],
    history: ['figures', 'lua', 'record', 'workers'],
    alerts: ['figures', 'history', 'scheduling'],
    housekeeping: ['alerts', 'figures', 'history', 'models', 'queue', 'record', 'scheduling', 'webhooks', 'workers'],
    callers: ['alerts', 'figures', 'history', 'lua', 'models', 'queue', 'record', 'scheduling', 'webhooks', 'workers'],
  }),
];

module.exports = {
  forbidden: [
    ...layers,
    ...folders,
    {
      name: 'apps-never-import-apps',
      comment: 'what two apps share belongs in a package',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^(apps|infra)/', pathNot: '^apps/$1/' },
    },
    {
      name: 'testing-only-in-tests',
      comment: 'packages/testing is for test folders, apps/bench and infra',
      severity: 'error',
      from: { pathNot: ['^(apps|packages|infra)/[^/]+/test/', '^packages/testing/', '^apps/bench/', '^infra/'] },
      to: { path: '^packages/testing/' },
    },
    {
      name: 'no-import-of-tests',
      comment: 'what others need does not live in a test folder',
      severity: 'error',
      from: { pathNot: '^[^/]+/[^/]+/test/' },
      to: { path: '^[^/]+/[^/]+/test/' },
    },
    {
      name: 'through-the-front-door',
      comment: 'another package is imported by its name, which leads to its index.ts, never by a path into its files',
      severity: 'error',
      from: { path: '^((?:apps|packages)/[^/]+)/' },
      to: { path: '^(apps|packages)/', pathNot: ['^$1/', '^(apps|packages)/[^/]+/src/index\\.ts$'] },
    },
    onlyIn('express', ['apps/api', 'apps/simulator'], BARE_SERVER),
    onlyIn('bullmq', ['packages/jobs'], BARE_SERVER),
    onlyIn('ioredis', ['packages/jobs', 'packages/redis'], BARE_SERVER),
    onlyIn('axios', ['packages/safe-http']),
    onlyIn('undici', ['packages/comfyui']),
    onlyIn('prom-client', ['packages/telemetry']),
    onlyIn('@opentelemetry', ['packages/telemetry']),
    onlyIn('@aws-sdk', ['packages/frames']),
    {
      name: 'runner-is-plain-node',
      comment: 'infra/local runs before anything is installed: Node and its own files only',
      severity: 'error',
      from: { path: '^infra/local/[^/]+\\.mjs$' },
      to: { pathNot: ['^infra/local/', '^infra/build/inputs\\.mjs$'], dependencyTypesNot: ['core'] },
    },
    {
      name: 'no-circular',
      comment: 'files that import each other in a ring cannot be understood or moved one by one',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'an import that cannot be followed cannot be checked either',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    parser: 'swc', // TypeScript 7 has no API that a tool could use
    doNotFollow: { path: 'node_modules' },
    // its parser takes no JSX: tsc checks what the studio imports
    exclude: { path: ['^(apps|packages|infra)/.*(dist|fixtures)/', '^apps/studio/'] },
    moduleSystems: ['es6', 'cjs'],
    tsPreCompilationDeps: true, // imports of types count too
    combinedDependencies: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@comfy-fleet/source', 'import', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.js', '.cjs', '.json', '.d.ts'],
    },
  },
};
