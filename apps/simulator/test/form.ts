export type Part =
  | { readonly name: string; readonly value: string }
  | { readonly name: string; readonly filename: string; readonly type: string; readonly bytes: Buffer };

/** A multipart body written by hand: the clients at hand refuse empty names and paths in names. */
export function formOf(parts: readonly Part[]): { readonly body: Buffer; readonly type: string } {
  const boundary = '6e2985051d72b46f1bb7df30a26fca86';
  const chunks = parts.flatMap((part) => {
    const isFile = 'filename' in part;
    const name = `form-data; name="${part.name}"${isFile ? `; filename="${part.filename}"` : ''}`;
    const type = isFile ? `Content-Type: ${part.type}\r\n` : '';
    const head = Buffer.from(`--${boundary}\r\nContent-Disposition: ${name}\r\n${type}\r\n`);
    return [head, isFile ? part.bytes : Buffer.from(part.value), Buffer.from('\r\n')];
  });
  return {
    body: Buffer.concat([...chunks, Buffer.from(`--${boundary}--\r\n`)]),
    type: `multipart/form-data; boundary=${boundary}`,
  };
}
