import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { removeFolder } from '@comfy-fleet/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from './run.js';

const BASH_COMPLETION = '/usr/share/bash-completion/bash_completion';
/** Replaces the program: records its arguments, and prints ANSWER. */
const PROGRAM = '#!/bin/bash\nprintf "%s\\n" "$@" > "$ASKED"\nprintf "%s" "$ANSWER"\n';

let dir: string;
let asked: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-bash-'));
  asked = join(dir, 'asked');
  await writeFile(join(dir, 'comfy-fleet'), PROGRAM);
  await chmod(join(dir, 'comfy-fleet'), 0o755);
  await writeFile(join(dir, 'script'), (await run(['completion', 'bash'])).stdout);
});
afterEach(() => removeFolder(dir));

interface Pressed {
  /** The completions that bash is offered, and its compopt calls. */
  readonly replies: string[];
  readonly options: string[];
  /** The words that the program got; undefined if it was not called. */
  readonly words: string[] | undefined;
}

/** Presses Tab at the end of a line that bash has split into `pieces`; bash would replace `last`. */
async function press(
  { line, pieces, last }: { readonly line: string; readonly pieces: readonly string[]; readonly last?: string },
  { answer, before = '' }: { readonly answer: string; readonly before?: string },
): Promise<Pressed> {
  const script = `${before}
    source "$0" && compopt() { echo "option $*"; }
    COMP_LINE=$1 COMP_POINT=\${#1} LAST=$2; shift 2
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    __comfy_fleet_complete comfy-fleet "$LAST" ''
    printf 'reply %s\\n' "\${COMPREPLY[@]}"`;
  const args = [
    '--norc',
    '--noprofile',
    '-c',
    script,
    join(dir, 'script'),
    line,
    last ?? pieces.at(-1) ?? '',
    ...pieces,
  ];
  const env = { PATH: `${dir}:/usr/bin:/bin`, ASKED: asked, ANSWER: answer };
  const { stdout, stderr } = await promisify(execFile)('bash', args, { cwd: dir, env });
  expect(stderr).toBe('');
  const said = (kind: string) =>
    stdout.split('\n').flatMap((one) => (one.startsWith(`${kind} `) ? [one.slice(kind.length + 1)] : []));
  const words = existsSync(asked) ? (await readFile(asked, 'utf8')).split('\n').slice(2, -1) : undefined;
  return { replies: said('reply').filter((one) => one !== ''), options: said('option'), words };
}

const STATUS = { answer: '--status\tonly these: some\n:4' };

describe.each([
  { where: 'without bash-completion', before: '' },
  ...(existsSync(BASH_COMPLETION) ? [{ where: 'with bash-completion', before: `source ${BASH_COMPLETION}` }] : []),
])('Tab in bash, $where', ({ before }) => {
  const status = { ...STATUS, before };

  it.each([
    ['a command in quotes', 'comfy-fleet jobs "$(touch x)" --st', ['"$(touch x)"'], ['$(touch x)']],
    ['a command', 'comfy-fleet jobs $(touch x) --st', ['$(touch x)'], ['$(touch x)']],
    ['backticks', 'comfy-fleet jobs "`touch x`" --st', ['"`touch x`"'], ['`touch x`']],
    [
      'command separators',
      "comfy-fleet jobs ';touch x' ';' & touch x --st",
      ["';touch x'", "';'", '&', 'touch', 'x'],
      [';touch x', ';', '&', 'touch', 'x'],
    ],
    ['an output redirection', 'comfy-fleet jobs --json > kept --st', ['--json', '>', 'kept'], ['--json']],
    [
      'all forms of redirections',
      'comfy-fleet jobs 2>err >>a=b </dev/null 2>&1 --st',
      ['2', '>', 'err', '>>', 'a', '=', 'b', '<', '/dev/null', '2', '>&', '1'],
      [],
    ],
    ['a process substitution', 'comfy-fleet jobs <(touch x) --st', ['<(', 'touch', 'x)'], ['x)']],
  ])('runs nothing and writes no file for %s', async (_what, line, pieces, words) => {
    await writeFile(join(dir, 'kept'), 'as it was');
    const pressed = await press({ line, pieces: ['comfy-fleet', 'jobs', ...pieces, '--st'] }, status);
    expect(pressed).toEqual({ replies: ['--status'], options: ['+o default'], words: ['jobs', ...words, '--st'] });
    expect((await readdir(dir)).sort()).toEqual(['asked', 'comfy-fleet', 'kept', 'script']);
    expect(await readFile(join(dir, 'kept'), 'utf8')).toBe('as it was');
  });

  it('lets bash complete the file of a redirection', async () => {
    const pieces = ['comfy-fleet', 'jobs', '>', 'ke'];
    const pressed = await press({ line: 'comfy-fleet jobs > ke', pieces }, status);
    expect(pressed).toEqual({ replies: [], options: [], words: undefined });
  });

  it('passes whole words to the program, and offers only the part that bash replaces', async () => {
    const options = { answer: 'denoise=\t\ndensity=\t\n:38', before };
    const plain = {
      line: 'comfy-fleet run "a b" --input den',
      pieces: ['comfy-fleet', 'run', '"a b"', '--input', 'den'],
    };
    expect(await press(plain, options)).toEqual({
      replies: ['denoise=', 'density='],
      options: ['-o nospace', '+o default', '-o nosort'],
      words: ['run', 'a b', '--input', 'den'],
    });
    const inline = { line: 'comfy-fleet jobs --status=', pieces: ['comfy-fleet', 'jobs', '--status', '='], last: '' };
    expect(await press(inline, { answer: 'queued\t\nrunning\t\n:4', before })).toMatchObject({
      replies: ['queued', 'running'],
      words: ['jobs', '--status='],
    });
    const file = {
      line: 'comfy-fleet run --file image=',
      pieces: ['comfy-fleet', 'run', '--file', 'image', '='],
      last: '',
    };
    expect(await press(file, { answer: 'image=@\t\n:6', before })).toMatchObject({ replies: ['@'] });
    const open = {
      line: 'comfy-fleet jobs --status "qu',
      pieces: ['comfy-fleet', 'jobs', '--status', '"qu'],
      last: 'qu',
    };
    expect(await press(open, { answer: 'queued\t\n:4', before })).toMatchObject({ replies: ['queued'] });
    const next = { line: 'comfy-fleet jobs --status ', pieces: ['comfy-fleet', 'jobs', '--status', ''] };
    expect(await press(next, { answer: 'queued\t\n:4', before })).toMatchObject({ words: ['jobs', '--status', ''] });
  });

  it('never runs an answer as a command', async () => {
    const line = { line: 'comfy-fleet get ', pieces: ['comfy-fleet', 'get', ''] };
    const pressed = await press(line, { answer: '$(touch x)\t\n:4', before });
    expect(pressed.replies).toEqual(['$(touch x)']);
    await press(line, { answer: 'a\t\n:a[$(touch x)]', before });
    expect(existsSync(join(dir, 'x'))).toBe(false);
  });
});

it('quotes in zsh the text that the script evaluates', async () => {
  const { stdout } = await run(['completion', 'zsh']);
  expect(stdout).toContain('{(q)BASH_REMATCH}"');
  expect(stdout).toContain('{(@q)args_to_quote}"');
});
