/** One attack and its outcome. */
export interface HostileTarget {
  readonly name: string;
  /**
   * The requested URL. {inner} is a port of 127.0.0.1 that must stay unreachable, {outer} one that the operator allowed
   * and that stands for the internet, {tls} an allowed one with an untrusted certificate.
   */
  readonly url: string;
  /** DNS answers in sequence; the last one is repeated. Other names do not exist. */
  readonly dns?: Readonly<Record<string, readonly (readonly string[])[]>>;
  /** `on its face` is url_not_allowed before any request, including DNS. */
  readonly outcome: 'refused on its face' | 'url_not_allowed' | 'url_unreachable' | 'fetched';
  /** The text for the caller; for a fetched target, its content. */
  readonly says: string;
  /** By default much longer than anything here takes that ends. */
  readonly timeoutMs?: number;
}

const PRIVATE_ADDRESS = 'The address in the URL is not a public one.';
const PRIVATE_NAME = 'The host name in the URL is not a public one.';
const PRIVATE_ANSWER = 'The host of the URL has an address that is not a public one.';
const SCHEME = 'The URL must begin with http:// or https://.';
const USER = 'The URL must not carry a user name or password.';
const NO_URL = 'This is not a URL.';
const TOO_LARGE = 'The URL leads to more than 1000 bytes.';
const TOO_SLOW = 'The URL did not give its whole answer within 300 ms.';
const NO_HTTP = 'The host of the URL does not speak HTTP.';
const BROKEN_OFF = 'The host of the URL broke off the connection.';
const PACKED = 'The URL gives a compressed answer, unasked.';

const face = (name: string, url: string, says = PRIVATE_ADDRESS): HostileTarget => ({
  name,
  url,
  outcome: 'refused on its face',
  says,
});
const dial = (name: string, url: string, dns: HostileTarget['dns'] = {}, says = PRIVATE_ANSWER): HostileTarget => ({
  name,
  url,
  dns,
  outcome: 'url_not_allowed',
  says,
});
const answer = (name: string, url: string, says: string, dns: HostileTarget['dns'] = {}): HostileTarget => ({
  name,
  url,
  dns,
  outcome: 'url_unreachable',
  says,
});
const slow = (name: string, url: string): HostileTarget => ({ ...answer(name, url, TOO_SLOW), timeoutMs: 300 });
const fetched = (name: string, url: string, dns: HostileTarget['dns'] = {}): HostileTarget => ({
  name,
  url,
  dns,
  outcome: 'fetched',
  says: 'picture',
});

const outer = (path: string) => `http://127.0.0.1:{outer}/${path}`;
const redirect = (...hops: string[]): string =>
  hops.reduceRight(
    (inner, hop) => `${hop}to?${encodeURIComponent(inner).replaceAll('%7B', '{').replaceAll('%7D', '}')}`,
  );
const HERE = 'http://127.0.0.1:{outer}/';
const INNER = 'http://127.0.0.1:{inner}/';
const twoFaced = (first: readonly string[], then: readonly string[]) => ({ 'two-faced.example': [first, then] });

/** Ways to write 127.0.0.1 that an unguarded client follows: it gets the inner server's secret. */
export const BITING = [
  face('loopback', INNER),
  face('loopback as one number', 'http://2130706433:{inner}/'),
  face('loopback in octal', 'http://0177.0.0.01:{inner}/'),
  face('loopback in hexadecimal', 'http://0x7f.0x0.0x0.0x1:{inner}/'),
  face('loopback as one hexadecimal number', 'http://0x7f000001:{inner}/'),
  face('loopback in a short form', 'http://127.1:{inner}/'),
  face('loopback in a form of three parts', 'http://127.0.1:{inner}/'),
  face('loopback in a mixed form', 'http://0x7f.1:{inner}/'),
  face('loopback, percent-encoded', 'http://%31%32%37.0.0.1:{inner}/'),
  face('loopback in fullwidth digits', 'http://１２７.０.０.１:{inner}/'),
  face('loopback in circled digits and ideographic stops', 'http://①②⑦。⓪。⓪。①:{inner}/'),
  face('loopback with a trailing dot', 'http://127.0.0.1.:{inner}/'),
  face('loopback with line breaks in it', 'http://127.0\n.0.1\t:{inner}/'),
  face('loopback after backslashes', 'http:\\\\127.0.0.1:{inner}\\'),
  face('loopback without slashes', 'http:127.0.0.1:{inner}'),
  face(
    'loopback after a backslash that looks like a path of a public host',
    'http://127.0.0.1:{inner}\\@public.example/',
  ),
  face('this host (0.0.0.0)', 'http://0.0.0.0:{inner}/'),
  face('this host as 0', 'http://0:{inner}/'),
  face('another address of loopback', 'http://127.0.0.1:{inner}/?@public.example'),
  face('localhost', 'http://localhost:{inner}/', PRIVATE_NAME),
  face('localhost in capitals', 'http://LOCALHOST:{inner}/', PRIVATE_NAME),
  face('localhost in circled letters', 'http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{inner}/', PRIVATE_NAME),
  face('localhost with a soft hyphen', 'http://local\u00adhost:{inner}/', PRIVATE_NAME),
];

export const HOSTILE_TARGETS: readonly HostileTarget[] = [
  ...BITING,

  face('the allowed address on another port', 'http://127.0.0.1:80/'),
  face('far loopback', 'http://127.255.255.254/'),
  face('private, class A', 'http://10.0.0.1/'),
  face('private, class B', 'http://172.31.255.255/'),
  face('private, class C', 'http://192.168.1.1/'),
  face('private, as one number', 'http://3232235777/'),
  face('cloud metadata', 'http://169.254.169.254/latest/meta-data/iam/security-credentials/'),
  face('cloud metadata in octal', 'http://0251.0376.0251.0376/latest/meta-data/'),
  face('cloud metadata as one number', 'http://2852039166/latest/meta-data/'),
  face('metadata of containers', 'http://169.254.170.2/v2/credentials'),
  face('metadata in the shared range', 'http://100.100.100.200/latest/meta-data/'),
  face('metadata in the protocol range', 'http://192.0.0.192/opc/v1/instance/'),
  face('host of a cloud at a public-looking address', 'http://168.63.129.16/machine?comp=goalstate'),
  face('carrier-grade NAT', 'http://100.64.0.1/'),
  face('this network', 'http://0.1.2.3/'),
  face('broadcast', 'http://255.255.255.255/'),
  face('multicast', 'http://224.0.0.1/'),
  face('benchmarking', 'http://198.18.0.1/'),
  face('documentation', 'http://203.0.113.1/'),
  face('reserved', 'http://240.0.0.1/'),
  face('relay of 6to4', 'http://192.88.99.1/'),

  face('IPv6 loopback', 'http://[::1]:{inner}/'),
  face('IPv6 loopback, written out', 'http://[0000:0000:0000:0000:0000:0000:0000:0001]:{inner}/'),
  face('IPv6 unspecified', 'http://[::]:{inner}/'),
  face('IPv4-mapped', 'http://[::ffff:127.0.0.1]:{inner}/'),
  face('IPv4-mapped in hexadecimal', 'http://[::ffff:7f00:1]:{inner}/'),
  face('IPv4-mapped metadata', 'http://[::ffff:a9fe:a9fe]/latest/meta-data/'),
  face('IPv4-compatible', 'http://[::7f00:1]:{inner}/'),
  face('IPv4-compatible, dotted', 'http://[::127.0.0.1]:{inner}/'),
  face('IPv4-translated', 'http://[::ffff:0:7f00:1]:{inner}/'),
  face('NAT64', 'http://[64:ff9b::7f00:1]/'),
  face('NAT64, dotted metadata', 'http://[64:ff9b::169.254.169.254]/'),
  face('NAT64, local use', 'http://[64:ff9b:1::a00:1]/'),
  face('6to4', 'http://[2002:7f00:1::]/'),
  face('Teredo', 'http://[2001:0:7f00:1::1]/'),
  face('unique-local', 'http://[fd00::1]/'),
  face('unique-local metadata', 'http://[fd00:ec2::254]/latest/meta-data/'),
  face('link-local', 'http://[fe80::1]/'),
  face('site-local', 'http://[fec0::1]/'),
  face('IPv6 multicast', 'http://[ff02::1]/'),
  face('IPv6 documentation', 'http://[2001:db8::1]/'),
  face('IPv6 discard-only', 'http://[100::1]/'),
  face('IPv6 segment routing', 'http://[5f00::1]/'),
  face('IPv6 that was never given out', 'http://[4000::1]/'),
  face('link-local with a zone', 'http://[fe80::1%25lo]/', NO_URL),

  face('user name', 'http://admin@public.example/', USER),
  face('password', 'http://:secret@public.example/', USER),
  face('public host as the user name', 'http://public.example@127.0.0.1:{inner}/', USER),
  face('public host and port as user and password', 'http://public.example:80@127.0.0.1:{inner}/', USER),
  face('port of SSH', 'http://public.example:22/', 'The URL must not name the port 22.'),
  face('port of mail', 'http://public.example:25/', 'The URL must not name the port 25.'),
  face('port of Redis', 'http://public.example:6379/', 'The URL must not name the port 6379.'),
  face('port 0', 'http://public.example:0/', 'The URL must not name the port 0.'),
  face('port beyond all', 'http://public.example:65536/', NO_URL),
  face('file', 'file:///etc/passwd', SCHEME),
  face('gopher', 'gopher://127.0.0.1:6379/_FLUSHALL', SCHEME),
  face('ftp', 'ftp://public.example/picture.png', SCHEME),
  face('data', 'data:image/png;base64,AAAA', SCHEME),
  face('javascript', 'javascript:alert(1)', SCHEME),
  face('blob', 'blob:http://public.example/1', SCHEME),
  face('socket of a file system', 'unix:/var/run/docker.sock', SCHEME),
  face('view of a source', 'view-source:http://public.example/', SCHEME),
  face('no scheme', '//127.0.0.1:{inner}/', NO_URL),
  face('nothing', '', NO_URL),
  face('no host', 'http:///', NO_URL),
  face('host with a space', 'http://public example/', NO_URL),
  face('host with a NUL', 'http://127.0.0.1\u0000.public.example/', NO_URL),
  face('far too long', `http://public.example/${'x'.repeat(2048)}`, 'The URL is longer than 2048 characters.'),
  face('localhost with trailing dots', 'http://localhost..:{inner}/', PRIVATE_NAME),
  face('name under localhost', 'http://public.localhost:{inner}/', PRIVATE_NAME),
  face('name of a service beside us', 'http://redis:8080/', PRIVATE_NAME),
  face('name of a cloud’s metadata', 'http://metadata.google.internal/computeMetadata/v1/', PRIVATE_NAME),
  face('name of the local network', 'http://printer.local/', PRIVATE_NAME),

  dial('public name with a loopback address', 'http://inward.example:{inner}/', { 'inward.example': [['127.0.0.1']] }),
  dial('the same with a trailing dot', 'http://inward.example.:{inner}/', { 'inward.example': [['127.0.0.1']] }),
  dial('public name with the metadata address', 'http://meta.example/', { 'meta.example': [['169.254.169.254']] }),
  dial('public name with an IPv4-mapped address', 'http://mapped.example:{inner}/', {
    'mapped.example': [['::ffff:127.0.0.1']],
  }),
  dial('public name with an IPv4-compatible address', 'http://compatible.example:{inner}/', {
    'compatible.example': [['::7f00:1']],
  }),
  dial('public name with a NAT64 address', 'http://nat64.example/', { 'nat64.example': [['64:ff9b::a00:1']] }),
  dial('public name with a link-local address in a zone', 'http://zone.example/', { 'zone.example': [['fe80::1%lo']] }),
  dial('one private address after public ones', 'http://mixed.example:{inner}/', {
    'mixed.example': [['93.184.215.14', '2606:4700::1111', '127.0.0.1']],
  }),
  dial('one private IPv6 address before a public one', 'http://mixed.example:{inner}/', {
    'mixed.example': [['fd00::1', '93.184.215.14']],
  }),
  dial('an answer that is no address', 'http://odd.example/', { 'odd.example': [['localhost']] }),
  dial('name over TLS', 'https://inward.example:{inner}/', { 'inward.example': [['127.0.0.1']] }),
  dial('fullwidth name that DNS knows in its plain form', 'http://ｉｎｗａｒｄ.example:{inner}/', {
    'inward.example': [['127.0.0.1']],
  }),
  fetched(
    'DNS that changes between check and dial: what was checked is dialled',
    'http://two-faced.example:{outer}/picture',
    twoFaced(['127.0.0.1'], ['10.0.0.1']),
  ),
  dial(
    'DNS that changes between two hops',
    redirect('http://two-faced.example:{outer}/', 'http://two-faced.example:{outer}/picture'),
    twoFaced(['127.0.0.1'], ['10.0.0.1']),
  ),

  dial('redirect inward', redirect(HERE, INNER), {}, PRIVATE_ADDRESS),
  dial('redirect inward at the second hop', redirect(HERE, HERE, INNER), {}, PRIVATE_ADDRESS),
  dial('redirect inward at the third hop', redirect(HERE, HERE, HERE, INNER), {}, PRIVATE_ADDRESS),
  dial('redirect inward in disguise', redirect(HERE, 'http://[::ffff:7f00:1]:{inner}/'), {}, PRIVATE_ADDRESS),
  dial('redirect inward without a scheme', redirect(HERE, '//127.0.0.1:{inner}/'), {}, PRIVATE_ADDRESS),
  dial('redirect inward by name', redirect(HERE, 'http://inward.example:{inner}/'), {
    'inward.example': [['127.0.0.1']],
  }),
  dial('redirect to localhost', redirect(HERE, 'http://localhost:{inner}/'), {}, PRIVATE_NAME),
  dial('redirect to a file', redirect(HERE, 'file:///etc/passwd'), {}, SCHEME),
  dial('redirect to data', redirect(HERE, 'data:image/png;base64,AAAA'), {}, SCHEME),
  dial('redirect to a user name', redirect(HERE, 'http://admin@public.example/'), {}, USER),
  fetched('three redirects', redirect(HERE, HERE, HERE, outer('picture'))),
  answer('four redirects', redirect(HERE, HERE, HERE, HERE, outer('picture')), 'The URL redirects more than 3 times.'),
  answer('redirect to itself', outer('to?'), 'The URL redirects more than 3 times.'),
  answer('redirect to no URL', outer('to?http://['), 'The URL redirects to something that is not a URL.'),
  answer('redirect to nowhere', outer('nowhere'), 'The URL answered with the status 302.'),
  dial('redirect inward with an endless body', outer('endless-redirect?http://10.0.0.1/'), {}, PRIVATE_ADDRESS),

  answer('endless body', outer('endless'), TOO_LARGE),
  answer('endless body in chunks', outer('endless-chunks'), TOO_LARGE),
  answer('a terabyte announced', outer('claims-a-terabyte'), TOO_LARGE),
  slow('slow body', outer('slow-body')),
  slow('slow headers', outer('slow-headers')),
  slow('silence', outer('silent')),
  answer('endless interim answers', outer('endless-interim'), 'The host of the URL sends too many responses.'),
  answer('huge header', outer('huge-header'), 'The host of the URL sends too many headers.'),
  answer('endless headers', outer('endless-headers'), 'The host of the URL sends too many headers.'),
  answer('compressed bomb (gzip)', outer('packed?gzip'), PACKED),
  answer('compressed bomb (deflate)', outer('packed?deflate'), PACKED),
  answer('compressed bomb (br)', outer('packed?br'), PACKED),
  answer('compressed bomb, wrapped twice', outer('packed?GZIP, gzip'), PACKED),
  answer('length too great', outer('ends-early'), BROKEN_OFF),
  answer('last chunk missing', outer('ends-early-chunked'), BROKEN_OFF),
  fetched('length too small: the rest is not read', outer('goes-on')),
  answer('two lengths', outer('two-lengths'), NO_HTTP),
  answer('negative length', outer('negative-length'), NO_HTTP),
  answer('length and chunks', outer('length-and-chunks'), NO_HTTP),
  answer('another protocol', outer('ssh'), NO_HTTP),
  answer('hangs up', outer('hangup'), BROKEN_OFF),
  answer('not there', outer('status?404'), 'The URL answered with the status 404.'),
  answer('error of the server', outer('status?500'), 'The URL answered with the status 500.'),
  answer('name that does not exist', 'http://nobody.example/', 'The host name of the URL cannot be resolved.'),
  answer('name without addresses', 'http://empty.example/', 'The host name of the URL cannot be resolved.', {
    'empty.example': [[]],
  }),
  answer(
    'certificate that nobody signed',
    'https://127.0.0.1:{tls}/picture',
    'The host of the URL has no TLS certificate that can be trusted (DEPTH_ZERO_SELF_SIGNED_CERT).',
  ),
  answer(
    'no TLS behind https',
    'https://127.0.0.1:{outer}/picture',
    'The host of the URL does not speak TLS correctly (EPROTO).',
  ),
];
