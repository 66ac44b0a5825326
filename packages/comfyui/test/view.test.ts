import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { until } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import { OutputMissing } from '../src/index.js';
import { clientOf, failureOf, never } from './support/client.js';
import { answers, serve } from './support/local-server.js';

const file = { nodeId: '7', filename: 'a b_00001_.png', subfolder: 'x/y', type: 'output' };

describe('view', () => {
  it('streams the file with its type and length', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'image/png', 'Content-Length': 5 }).end('hello');
    });
    const picture = await clientOf(server.url).view(file, never());
    expect([picture.contentType, picture.bytes]).toEqual(['image/png', 5]);
    expect((await buffer(picture.stream)).toString()).toBe('hello');
    expect(server.seen[0]?.url).toBe('/view?filename=a+b_00001_.png&subfolder=x%2Fy&type=output');
  });

  it('returns every byte when the reader is slower than the deadline', async () => {
    const whole = Buffer.alloc(8 * 1024 * 1024, 7);
    const server = await serve((_request, response) => response.end(whole));
    const { stream } = await clientOf(server.url, 300).view(file, never());
    const iterator = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const pieces: Buffer[] = [];
    // Nothing is read for longer than the deadline before and after the first piece, while the buffers fill.
    for (let pause = 0; pause < 2; pause += 1) {
      const later = performance.now() + 400;
      await until('the deadline has passed', () => performance.now() > later);
      const { value } = await iterator.next();
      pieces.push(value);
    }
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) pieces.push(next.value);
    expect(Buffer.concat(pieces).equals(whole)).toBe(true);
  });

  it('continues as long as pieces arrive, though the whole takes longer than the deadline', async () => {
    const piece = 'x'.repeat(64 * 1024);
    const server = await serve((_request, response) => {
      let left = 31;
      const timer = setInterval(() => {
        left -= 1;
        if (left > 0) response.write(piece);
        else {
          clearInterval(timer);
          response.end();
        }
      }, 40);
    });
    const { stream } = await clientOf(server.url, 1000).view(file, never());
    expect((await buffer(stream)).toString()).toBe(piece.repeat(30));
  });

  it('ends the stream with instance_unreachable when the file arrives byte by byte', async () => {
    const server = await serve((_request, response) => {
      const timer = setInterval(() => response.write('x'), 20);
      response.on('close', () => clearInterval(timer));
    });
    const { stream } = await clientOf(server.url, 300).view(file, never());
    const error = await failureOf(buffer(stream));
    expect([error.code, error.detail]).toEqual([
      'instance_unreachable',
      'The ComfyUI instance gpu/1 sent or took its data too slowly (less than 128 KiB per second).',
    ]);
  });

  it('throws OutputMissing when the file does not exist', async () => {
    const server = await serve(answers({ '/view': { status: 404, body: '' } }));
    const error = await failureOf(clientOf(server.url).view(file, never()));
    expect(error).toBeInstanceOf(OutputMissing);
    expect([error.code, error.detail]).toEqual([
      'comfyui_error',
      'The ComfyUI instance gpu/1 no longer has the file a b_00001_.png.',
    ]);
  });

  it.each([[400], [403], [500]])('is comfyui_error when the answer is %i', async (status) => {
    const server = await serve(answers({ '/view': { status, body: '' } }));
    const error = await failureOf(clientOf(server.url).view(file, never()));
    expect(error).not.toBeInstanceOf(OutputMissing);
    expect([error.code, error.detail]).toEqual([
      'comfyui_error',
      `The ComfyUI instance gpu/1 answered ${status} to GET /view.`,
    ]);
  });

  it('ends the stream with instance_unreachable when the connection breaks half-way', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'Content-Length': 100 }).write('half', () => response.socket?.destroy());
    });
    const { stream } = await clientOf(server.url).view(file, never());
    const error = await failureOf(buffer(stream));
    expect([error.code, error.detail]).toEqual([
      'instance_unreachable',
      'The ComfyUI instance gpu/1 broke off the connection.',
    ]);
  });

  it('passes the error to a reader that starts after the connection broke', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'Content-Length': 100 }).write('half', () => response.socket?.destroy());
    });
    const { stream } = await clientOf(server.url).view(file, never());
    await until('the stream has failed', () => stream.destroyed);
    expect((await failureOf(buffer(stream))).code).toBe('instance_unreachable');
  });

  it('ends the stream with instance_unreachable when no more data arrives', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'Content-Length': 100 }).write('half');
    });
    const { stream } = await clientOf(server.url, 300).view(file, never());
    const error = await failureOf(buffer(stream));
    expect(error.detail).toBe('The ComfyUI instance gpu/1 did not answer within 300 ms.');
  });

  it('ends the stream with the reason of the abort when the caller aborts', async () => {
    const abort = new AbortController();
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'Content-Length': 100 }).write('half');
    });
    const { stream } = await clientOf(server.url).view(file, abort.signal);
    stream.once('data', () => abort.abort(new Error('cancelled')));
    await expect(buffer(stream)).rejects.toThrow(/^cancelled$/);
  });

  it('closes the connection when the stream is destroyed', async () => {
    let gone: Promise<unknown> | undefined;
    const server = await serve((_request, response) => {
      gone = once(response, 'close');
      response.writeHead(200, { 'Content-Length': 100 }).write('half');
    });
    const { stream } = await clientOf(server.url).view(file, never());
    stream.destroy();
    await expect(gone).resolves.toBeDefined();
  });
});
