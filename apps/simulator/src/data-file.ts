/** Where a file of the folder `data` is. Both this module and the bundle that it ends in lie beside that folder. */
export function dataFile(name: string): URL {
  return new URL(`../data/${name}`, import.meta.url);
}
