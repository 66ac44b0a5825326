/**
 * Ports on which something other than HTTP is at home, even on public hosts: those that browsers refuse (the Fetch
 * standard, "port blocking"), and those of databases, brokers and remote desktops.
 */
const OTHER_PROTOCOLS = new Set([
  ...[1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109],
  ...[110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515, 526],
  ...[530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045],
  ...[4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10_080],
  ...[1433, 1521, 3306, 3389, 5432, 5672, 5900, 6379, 9042, 9092, 11_211, 27_017],
]);

/** Whether a URL may name this port. */
export function isWebPort(port: number): boolean {
  return port >= 1 && port <= 65_535 && !OTHER_PROTOCOLS.has(port);
}
