import { expect, it } from 'vitest';
import {
  contentTypeOf,
  frameTypeOf,
  frameTypeOfName,
  MediaFault,
  mediaKindOf,
  refuseHiddenMedia,
} from '../src/index.js';

const bytes = (text: string) => Buffer.from(text, 'latin1');

it.each([
  ['\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'png'],
  ['\xff\xd8\xff\xe0\0\x10JFIF', 'jpeg'],
  ['RIFF\x24\n\r\0WEBPVP8 ', 'webp'],
  ['GIF89a\x01\0\x01\0', 'gif'],
  ['GIF87a\x01\0\x01\0', 'gif'],
])('recognises by its first bytes that %j is a %s', (start, type) => {
  expect(frameTypeOf(bytes(start))).toBe(type);
});

it.each(['', '\x89PN', 'RIFF\x24\0\0\0WAVEfmt ', 'BM6\0\0\0', 'II*\0', '<svg xmlns', '\0\0\0\x20ftypavif', 'GIF88a'])(
  'does not recognise a frame that begins with %j',
  (start) => {
    expect(frameTypeOf(bytes(start))).toBeUndefined();
  },
);

it.each([
  ['a_1.png', 'image/png', 'png'],
  ['a_1.jpeg', 'image/jpeg', 'jpeg'],
  ['a_1_w64.webp', 'image/webp', 'webp'],
  ['a_1.gif', 'image/gif', 'gif'],
  ['a.js', 'text/plain', undefined],
  ['a_1.toString', 'application/octet-stream', undefined],
  ['a', 'application/octet-stream', undefined],
])('the name %s has the type %s', (name, contentType, type) => {
  expect([contentTypeOf(name), frameTypeOfName(name)]).toEqual([contentType, type]);
});

/** An ID3 tag that contains zeros. */
const tag = (inside: number) => `ID3\x04\0\0\0\0\0${String.fromCharCode(inside)}${'\0'.repeat(inside)}`;

const MP3 = `\xff\xfb\x90d${'\0'.repeat(100)}`;
const FTYP = '\0\0\0\x20ftypisom\0\0\x02\0isomiso2';
const CONCAT = 'ffconcat version 1.0\nfile other.mp4\n';
const HLS = '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///a/b.mp4\n#EXT-X-ENDLIST\n';
const NUT = 'NM\x7aV\x1f_\x04\xad';
const MPD = '<MPD profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><BaseURL>/a/b.mp4</BaseURL></MPD>';

it.each([
  ['a PNG', '\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'image'],
  ['an animated PNG', '\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x08acTL', 'animation'],
  ['an animated GIF', 'GIF89a\x01\0\x01\0\x80\0\0NETSCAPE2.0', 'animation'],
  ['a BMP', `BM${'\0'.repeat(60)}`, 'image'],
  ['a BMP in a grey that equals the sync byte of packets', `BM${'\0'.repeat(60)}${'G'.repeat(4000)}`, 'image'],
  ['a JPEG with EXIF', `\xff\xd8\xff\xe1\x10\0Exif\0\0II*\0\x08\0\0\0\0\0\x01\xa0\x03\0\x01\0\0\0\x01\0\0\0`, 'image'],
  ['a transport stream', `G@\x11\x10${'\xff'.repeat(184)}`.repeat(10), 'video'],
  ['a TIFF', `II*\0\x08\0\0\0${'\0'.repeat(60)}`, 'image'],
  ['an AVIF', '\0\0\0\x20ftypavif\0\0\0\0avifmif1', 'image'],
  ['a Photoshop document', `8BPS\0\x01${'\0'.repeat(60)}`, 'image'],
  ['an MP4', FTYP, 'video'],
  ['an old QuickTime file', '\0\0\0\x08wide\0\x01\0\0mdat', 'video'],
  ['a WebM', '\x1aE\xdf\xa3\x8bB\x82\x88webm\0\0\0\0', 'video'],
  ['an AVI', 'RIFF\x24\0\0\0AVI LIST', 'video'],
  ['a WAV', 'RIFF\x24\0\0\0WAVEfmt ', 'audio'],
  ['a FLAC', `fLaC\0\0\0\x22${'\0'.repeat(60)}`, 'audio'],
  ['an M4A', '\0\0\0\x20ftypM4A \0\0\x02\0', 'audio'],
  ['an MP3', MP3, 'audio'],
  ['an MP3 with a tag', tag(100) + MP3, 'audio'],
  ['a tag that is followed by a picture', `${tag(2)}\xff\xd8\xff\xfe`, 'audio'],
])('recognises %s by its bytes', async (_what, file, kind) => {
  expect(await mediaKindOf(bytes(file))).toBe(kind);
});

/** PyAV 14.2 opened other files for the first seven; for those with a star only if the name ends in .m3u8. */
it.each([
  ['a concat list of ffmpeg', CONCAT],
  ['an HLS playlist*', HLS],
  ['a DASH playlist', MPD],
  ['a DASH playlist that begins as QuickTime', `<!--free-->${MPD}`],
  ['a DASH playlist that begins as MP4', `<!--ftypjp2 -->${MPD}`],
  ['a DASH playlist that begins as a transport stream', `<!--G${'x'.repeat(191)}G-->${MPD}`],
  ['a DASH playlist after white space', `\n <?pfree ?>${MPD}`],
  ['a DASH playlist that begins as QuickTime in EBCDIC', `\x4c\x6f\xa7\x94free${MPD}`],
  ['a list after a byte order mark', `\xef\xbb\xbf${CONCAT}`],
  ['a list after zeros', `\0\0\0\0${CONCAT}`],
  ['a list in an APE tag', `APETAGEX${'\0'.repeat(24)}${CONCAT}`],
  ['a list in a RIFF of MIDI', `RIFF\x24\0\0\0RMIDdata${CONCAT}`],
  ['a session description', 'v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n'],
  ['an ASX playlist', '<asx version="3.0"><entry><ref href="/a/b.mp4"/></entry></asx>'],
  ['an SVG', '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="/a/b.png"/></svg>'],
  ['an index of subtitles', '# VobSub index file, v7\n'],
  ['a Magic Lantern video, which has parts in other files', `MLVI\x34\0\0\0v2.0${'\0'.repeat(60)}`],
  ['a PostScript picture', '%!PS-Adobe-3.0 EPSF-3.0\n'],
  ['a 3D model', 'glTF\x02\0\0\0'],
  ['text', 'a prompt'],
  ['an empty file', ''],
])('recognises no medium in %s', async (_what, file) => {
  expect(await mediaKindOf(bytes(file))).toBeUndefined();
});

it.each([
  ['a NUT video in a comment of a JPEG', `\xff\xd8\xff\xfe\x10\0${NUT}`],
  ['a NUT video in a text of a PNG', `\x89PNG\r\n\x1a\n\0\0\0\rIHDR${'\0'.repeat(17)}\0\0\x10\0tEXt${NUT}`],
  ['a NUT video after a WebP', `RIFF\x10\0\0\0WEBPVP8L\x04\0\0\0\x2f\0\0\0${NUT}`],
  ['a NUT sound in a WAV', `RIFF\x24\0\0\0WAVEJUNK\0\x10\0\0${NUT}`],
  ['a NUT video in a QuickTime file whose index comes last', `\0\0\0\x08wide\0\x01\0\0mdat${NUT}`],
  [
    'a transport stream in the sound of a WAV that begins like one',
    `RIFFG\0\0\0WAVEJUNK\0\x10\0\0${'G@\x11\x10'.padEnd(188, '\xff').repeat(10)}`,
  ],
  ['an MXF video in a TIFF', `II*\0\x08\0\0\0${'\0'.repeat(60)}\x06\x0e+4\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02`],
  [
    'a transport stream in a comment of a JPEG',
    `\xff\xd8\xff\xfe\x10\0${`G@\x11\x10${'\xff'.repeat(184)}`.repeat(10)}`,
  ],
  ['an H.264 stream in a comment of a JPEG', `\xff\xd8\xff\xfe\x10\0\0\0\x01\x67SPS\0\0\x01\x68PPS\0\0\x01\x65IDR`],
  [
    'an MPEG video in a comment of a JPEG',
    `\xff\xd8\xff\xfe\x10\0\0\0\x01\xb3\x28\x01\xe0${'\0\0\x01\0pic\0\0\x01\x01slice'.repeat(2)}`,
  ],
])('refuses %s, which ffmpeg would play instead', (_what, file) => {
  expect(() => refuseHiddenMedia(bytes(file))).toThrow(MediaFault);
});
