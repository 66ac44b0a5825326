/** How many entries are in the outbox after Redis' commands. */
export function outboxLength(commands: readonly (readonly string[])[], prefix: string): number {
  const entries = new Set<string>();
  for (const [name = '', key, ...rest] of commands) {
    if (key !== `${prefix}:outbox`) continue;
    const verb = name.toUpperCase();
    if (verb === 'XADD') entries.add(rest[0] ?? '');
    if (verb === 'XDEL') for (const id of rest) entries.delete(id);
  }
  return entries.size;
}
