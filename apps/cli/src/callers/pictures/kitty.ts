/** The longest payload that the protocol allows in one escape sequence. */
const CHUNK = 4096;
/** The number of previews: a new picture of the same number takes the place of the one before. */
export const KITTY_PREVIEW = 1_907;

/** A PNG in kitty's graphics protocol: sent in the sequence itself, and shown at the cursor. `keys` are more of its keys. */
export function kittyPicture(png: Uint8Array, keys = ''): string {
  const chunks =
    Buffer.from(png)
      .toString('base64')
      .match(new RegExp(`.{1,${CHUNK}}`, 'g')) ?? [];
  const last = chunks.length - 1;
  const control = (at: number) => `${at === 0 ? `a=T,f=100,${keys}` : ''}m=${at === last ? 0 : 1}`;
  return chunks.map((chunk, at) => `\u001b_G${control(at)};${chunk}\u001b\\`).join('');
}

/** What takes the picture with this number off the screen, and out of the terminal's memory. */
export function withoutKittyPicture(id: number): string {
  return `\u001b_Ga=d,d=I,i=${id},q=2\u001b\\`;
}
