import { createSocket } from 'node:dgram';
import { Resolver as Dns } from 'node:dns/promises';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAllowList } from '../src/allow-list.js';
import { createResolver } from '../src/resolver.js';

const A = 1;
const AAAA = 28;
const NO_SUCH_NAME = 3;
const SERVER_FAILURE = 2;

/** The nameserver's answers for a name, by type of question: addresses, an error, or (undefined) none. */
const ZONE: Readonly<Record<string, Readonly<Record<number, readonly number[][] | number | undefined>>>> = {
  'both.example': {
    [A]: [
      [8, 8, 8, 8],
      [10, 0, 0, 1],
    ],
    [AAAA]: [[0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1]],
  },
  'old.example': { [A]: [[8, 8, 8, 8]], [AAAA]: [] },
  'new.example': { [A]: [], [AAAA]: [[0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1]] },
  'half-silent.example': { [A]: [[8, 8, 8, 8]], [AAAA]: undefined },
  'half-broken.example': { [A]: [[8, 8, 8, 8]], [AAAA]: SERVER_FAILURE },
  'silent.example': {},
  'nobody.example': { [A]: NO_SUCH_NAME, [AAAA]: NO_SUCH_NAME },
  'empty.example': { [A]: [], [AAAA]: [] },
};

const nameserver = createSocket('udp4');
const asked: string[] = [];
beforeAll(async () => {
  nameserver.on('message', (question, { port, address }) => {
    const [name, end] = readName(question);
    const type = question.readUInt16BE(end);
    asked.push(name);
    const answer = ZONE[name]?.[type];
    if (answer === undefined) return;
    nameserver.send(reply(question.subarray(0, end + 4), type, answer), port, address);
  });
  nameserver.bind(0, '127.0.0.1');
  await once(nameserver, 'listening');
});
afterAll(() => void nameserver.close());

function readName(question: Buffer): [name: string, end: number] {
  const labels: string[] = [];
  let at = 12;
  for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
    labels.push(question.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  // c-ares randomises the case of names against forged answers.
  return [labels.join('.').toLowerCase(), at + 1];
}

/** A DNS message (RFC 1035, 4.1): the question's header and question, then one record per address. */
function reply(question: Buffer, type: number, answer: readonly number[][] | number): Buffer {
  const records = typeof answer === 'number' ? [] : answer;
  const head = Buffer.from(question);
  head.writeUInt16BE(0x8180 | (typeof answer === 'number' ? answer : 0), 2);
  head.writeUInt16BE(records.length, 6);
  head.writeUInt16BE(0, 8);
  head.writeUInt16BE(0, 10);
  const record = (address: number[]) =>
    Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, address.length, ...address]);
  return Buffer.concat([head, ...records.map(record)]);
}

const resolver = (...allow: string[]) =>
  createResolver(createAllowList(allow), () => {
    const dns = new Dns({ timeout: 1000, tries: 1 });
    dns.setServers([`127.0.0.1:${nameserver.address().port}`]);
    return dns;
  });

describe('the addresses of a name', () => {
  it.each([
    ['both.example', ['8.8.8.8', '10.0.0.1', '2001:db8::1']],
    ['old.example', ['8.8.8.8']],
    ['new.example', ['2001:db8::1']],
    ['half-silent.example', ['8.8.8.8']],
    ['half-broken.example', ['8.8.8.8']],
  ])('of %s are all that DNS has: %j', async (name, addresses) => {
    expect(await resolver()(name)).toEqual(addresses);
  });

  it.each([
    ['nobody.example', 'ENOTFOUND'],
    ['empty.example', 'ENODATA'],
    ['silent.example', 'ETIMEOUT'],
  ])('of %s there are none: %s', async (name, code) => {
    await expect(resolver()(name)).rejects.toMatchObject({ code, syscall: 'queryA' });
  });

  it('come from the system if the name is allowed or internal, and from DNS otherwise', async () => {
    const find = resolver('allowed.example');
    asked.length = 0;
    expect(await find('localhost')).toContain('127.0.0.1');
    // The system's answer depends on the machine and may take long.
    find('allowed.example').catch(() => undefined);
    await find('old.example');
    expect(asked).toEqual(['old.example', 'old.example']);
  });
});
