/** `<job id>_<n>_poster.jpeg` */
export function posterName(filename: string): string {
  return `${filename.slice(0, filename.lastIndexOf('.'))}_poster.jpeg`;
}
