import { Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { FleetError } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { createLogger, type Logger, type LoggerOptions } from '../src/index.js';

function listen(options: Partial<LoggerOptions> = {}): { log: Logger; lines: () => string[] } {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  const log = createLogger({ service: 'worker', level: 'info', format: 'json', stream, ...options });
  return { log, lines: () => text.split('\n').slice(0, -1) };
}

const only = (lines: string[]) => {
  expect(lines).toHaveLength(1);
  return lines[0] ?? '';
};

describe('the json format', () => {
  it('writes one object a line with ISO time, level, service, message and fields', () => {
    const { log, lines } = listen();
    log.info('job finished', { job: 'a', ms: 12 });
    const entry = JSON.parse(only(lines()));
    expect(entry).toMatchObject({ level: 'info', service: 'worker', message: 'job finished', job: 'a', ms: 12 });
    expect(new Date(entry.timestamp).toISOString()).toBe(entry.timestamp);
  });

  it('writes name, message, code, stack and every cause of an error in a field', () => {
    const { log, lines } = listen();
    const root = Object.assign(new TypeError('socket closed'), { code: 'ECONNRESET' });
    log.error('cannot submit', { error: new Error('instance gone', { cause: root }) });
    const { error } = JSON.parse(only(lines()));
    expect(error).toMatchObject({
      name: 'Error',
      message: 'instance gone',
      cause: { name: 'TypeError', message: 'socket closed', code: 'ECONNRESET' },
    });
    expect(error.stack).toContain('logger.test.ts');
    expect(error.cause.stack).toContain('logger.test.ts');
  });

  it('writes the parts of an AggregateError', () => {
    const { log, lines } = listen();
    log.error('all failed', { error: new AggregateError([new Error('one'), 'two'], 'both') });
    expect(JSON.parse(only(lines())).error).toMatchObject({ message: 'both', errors: [{ message: 'one' }, 'two'] });
  });

  it('handles a circular cause, a circular field and a bigint', () => {
    const { log, lines } = listen();
    const error = new Error('loop');
    error.cause = error;
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    log.warn('odd', { error, circle, seed: 18446744073709551615n });
    const entry = JSON.parse(only(lines()));
    expect(entry.error.cause.message).toBe('loop');
    expect(String(entry.seed)).toMatch(/^18446744073709551615$/);
  });

  it("adds a child's own fields to the service", () => {
    const { log, lines } = listen();
    log.child({ instance: 'w/1' }).info('connected', { ms: 3 });
    expect(JSON.parse(only(lines()))).toMatchObject({ service: 'worker', instance: 'w/1', ms: 3 });
  });

  it('omits lines below the level', () => {
    const { log, lines } = listen({ level: 'warn' });
    log.info('quiet');
    log.debug('quieter');
    log.warn('loud');
    expect(JSON.parse(only(lines())).message).toBe('loud');
  });
});

describe('the pretty format', () => {
  const pretty = () => listen({ format: 'pretty' });

  it('omits undefined fields, as JSON does', () => {
    const { log, lines } = pretty();
    log.info('pool goes on', { pool: 'default', key: undefined, status: null });
    expect(stripVTControlCharacters(only(lines()))).toMatch(/ pool goes on pool=default status=null$/);
  });

  it('writes one coloured line: time, level, service, message, key=value', () => {
    const { log, lines } = pretty();
    log.info('job finished', { job: 'a', ms: 12, note: 'two words' });
    const line = only(lines());
    expect(line).not.toBe(stripVTControlCharacters(line));
    expect(stripVTControlCharacters(line)).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} INFO {2}worker job finished job=a ms=12 note="two words"$/,
    );
  });

  it('writes an error with its code and cause on the same line', () => {
    const { log, lines } = pretty();
    const cause = Object.assign(new Error('connect refused'), { code: 'ECONNREFUSED' });
    log.error('cannot submit', { error: new Error('instance gone', { cause }) });
    const line = stripVTControlCharacters(only(lines()));
    expect(line).toContain('ERROR worker cannot submit error="Error: instance gone (at ');
    expect(line).toContain('<- Error ECONNREFUSED: connect refused');
  });

  it('escapes line breaks and escape sequences of foreign text', () => {
    const { log, lines } = pretty();
    log.info('prompt\nsecond\x1b[2J', { prompt: 'a\u009b31m cat\r' });
    const line = only(lines());
    expect(line).toContain('prompt\\nsecond\\x1b[2J');
    expect(line).toContain('"a\\x9b31m cat\\x0d"');
  });
});

describe('texts that may quote a prompt', () => {
  const said = new FleetError('node_execution_error', 'KSampler 3 failed: no token for a secret garden', {
    cause: new SyntaxError('Unexpected token "a secret garden"'),
  });

  it('are omitted from errors and their causes, while the rest stays', () => {
    const { log, lines } = listen();
    log.warn('job ended', { job: 'j', error: new Error('outer', { cause: said }) });
    const line = only(lines());
    expect(line).not.toContain('secret garden');
    const { error, job } = JSON.parse(line);
    expect(job).toBe('j');
    expect(error.message).toBe('outer');
    expect(error.cause).toMatchObject({ name: 'FleetError', code: 'node_execution_error' });
    expect(error.cause.message).toContain('withheld');
    expect(error.cause.stack).toContain('logger.test.ts');
    expect(error.cause.cause.name).toBe('SyntaxError');
  });

  it('are written if prompts may be in the log', () => {
    const { log, lines } = listen({ prompts: true });
    log.warn('job ended', { error: said });
    expect(JSON.parse(only(lines())).error.message).toContain('a secret garden');
  });

  it('are not in the pretty format either', () => {
    const { log, lines } = listen({ format: 'pretty' });
    log.warn('job ended', { error: said });
    expect(only(lines())).not.toContain('secret garden');
    expect(only(lines())).toContain('node_execution_error');
  });
});

describe('without a format', () => {
  const onTerminal = (isTTY: boolean) => {
    let text = '';
    const write = (chunk: unknown, _encoding: unknown, done: () => void) => {
      text += String(chunk);
      done();
    };
    const stream = Object.assign(new Writable({ write }), { isTTY });
    createLogger({ service: 'api', level: 'info', stream }).info('listening', { port: 3000 });
    return text;
  };

  it('lines are pretty on a terminal', () => {
    expect(stripVTControlCharacters(onTerminal(true))).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} INFO {2}api listening port=3000\n$/,
    );
  });

  it('lines are JSON elsewhere', () => {
    expect(JSON.parse(onTerminal(false))).toMatchObject({ message: 'listening', port: 3000 });
  });
});
