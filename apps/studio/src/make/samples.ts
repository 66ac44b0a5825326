import type { FileValue } from '../form/fields.js';
import type { JobRequest } from './request.js';

/** Writes code that sends a request to the API at this address. */
type Sample = (request: JobRequest, url: string) => string;

export type Language = 'curl' | 'TypeScript' | 'Python';

export const SAMPLES: Readonly<Record<Language, Sample>> = { curl, TypeScript: typescript, Python: python };

/** The path and fields of a request, and its local files by input. */
function partsOf({ workflow, lod, inputs, files }: JobRequest) {
  const level = lod === undefined ? {} : { lod };
  const disk = Object.entries(files).flatMap(([name, value]) =>
    value.from === 'disk' ? [[name, value.file.name] as const] : [],
  );
  const kept = Object.entries(files).filter(([, value]) => value.from === 'job') as [
    string,
    FileValue & { from: 'job' },
  ][];
  if (workflow === 'text2img') return { path: '/generate', fields: { ...inputs, ...level }, disk };
  if (workflow === 'img2img') {
    const source = kept.map(([, value]) => ['source', value.name]);
    return { path: '/img2img', fields: { ...inputs, ...level, ...Object.fromEntries(source) }, disk };
  }
  const named = kept.map(([name, { job, index }]) => [name, `job:${job}/${index}`]);
  const fields = { ...level, inputs: { ...inputs, ...Object.fromEntries(named) } };
  return { path: `/workflows/${encodeURIComponent(workflow)}`, fields, disk };
}

function curl(request: JobRequest, url: string): string {
  const { path, fields, disk } = partsOf(request);
  const start = `curl ${quoted(url + path)} -H "Authorization: Bearer $COMFY_FLEET_KEY"`;
  if (disk.length === 0)
    return `${start} \\\n  -H 'Content-Type: application/json' -H 'Prefer: wait=60' \\\n  -d ${quoted(JSON.stringify(fields))}`;
  const form = Object.entries(fields).map(([name, value]) =>
    quoted(`${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`),
  );
  return [
    start,
    "-H 'Prefer: wait=60'",
    ...disk.map(([name, file]) => `-F ${quoted(`${name}=@${file}`)}`),
    // -F would read a file for a value that begins with @ or <.
    ...form.map((part) => `--form-string ${part}`),
  ].join(' \\\n  ');
}

function typescript(request: JobRequest, url: string): string {
  const { fields, disk } = partsOf(request);
  const { call, args } = callOf(request, fields);
  const opened = disk
    .map(([name, file]) => `${JSON.stringify(name)}: await openAsBlob(${JSON.stringify(file)})`)
    .join(', ');
  const text = (value: unknown) => JSON.stringify(value, null, 2);
  const plain = disk.length === 0 ? args.map(text).join(', ') : undefined;
  const withFiles =
    call === 'run'
      ? `${args.slice(0, 2).map(text).join(', ')}, { ...${text(args[2] ?? {})}, files: { ${opened} } }`
      : `{ ...${text(args[0])}, ${opened} }`;
  return [
    ...(disk.length === 0 ? [] : ["import { openAsBlob } from 'node:fs';"]),
    "import { Fleet } from '@comfy-fleet/client';",
    '',
    `const fleet = new Fleet({ url: ${JSON.stringify(url)}, key: process.env.COMFY_FLEET_KEY });`,
    `const job = await fleet.${call}(${plain ?? withFiles});`,
    'await job.wait();',
    'console.log(job.outputs.map((output) => output.href));',
  ].join('\n');
}

function python(request: JobRequest, url: string): string {
  const { fields, disk } = partsOf(request);
  const { call, args } = callOf(request, fields);
  const opened = disk.map(([name, file]) => [name, `Path(${JSON.stringify(file)})`] as const);
  const parts =
    call === 'run'
      ? [
          ...args.slice(0, 2).map(literal),
          ...Object.entries((args[2] ?? {}) as object).map(([name, value]) => `${name}=${literal(value)}`),
          ...(opened.length === 0
            ? []
            : [`files={${opened.map(([name, path]) => `${JSON.stringify(name)}: ${path}`).join(', ')}}`]),
        ]
      : [
          ...Object.entries(args[0] as object).map(([name, value]) => `${name}=${literal(value)}`),
          ...opened.map(([name, path]) => `${name}=${path}`),
        ];
  return [
    'import os',
    ...(disk.length === 0 ? [] : ['from pathlib import Path']),
    'from comfy_fleet import Fleet',
    '',
    `fleet = Fleet(${JSON.stringify(url)}, key=os.environ.get("COMFY_FLEET_KEY"))`,
    `job = fleet.${call}(\n    ${parts.join(',\n    ')},\n)`,
    'job.wait()',
    'print([output.href for output in job.outputs])',
  ].join('\n');
}

/** The client method and its arguments. */
function callOf({ workflow, lod }: JobRequest, fields: Readonly<Record<string, unknown>>) {
  if (workflow === 'text2img') return { call: 'generate', args: [fields] };
  if (workflow === 'img2img') return { call: 'img2img', args: [fields] };
  return { call: 'run', args: [workflow, fields.inputs, ...(lod === undefined ? [] : [{ lod }])] };
}

/** Quotes a text for a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Writes a value as a Python literal, which differs from JSON only in null, true and false. */
function literal(value: unknown): string {
  if (value === null || typeof value === 'boolean') return { null: 'None', true: 'True', false: 'False' }[`${value}`];
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([name, one]) => `${JSON.stringify(name)}: ${literal(one)}`)
    .join(', ')}}`;
}
