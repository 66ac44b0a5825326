/** The longest payload that the protocol allows in one escape sequence. */
const CHUNK = 4096;

/** A PNG in kitty's graphics protocol: sent in the sequence itself, and shown at the cursor. */
export function kittyPicture(png: Uint8Array): string {
  const chunks =
    Buffer.from(png)
      .toString('base64')
      .match(new RegExp(`.{1,${CHUNK}}`, 'g')) ?? [];
  const last = chunks.length - 1;
  const control = (at: number) => `${at === 0 ? 'a=T,f=100,' : ''}m=${at === last ? 0 : 1}`;
  return chunks.map((chunk, at) => `\u001b_G${control(at)};${chunk}\u001b\\`).join('');
}
