/** Foreign text as one short line without control characters. */
export function oneLine(text: string, most = 300): string {
  const line = text.replace(/[\s\0-\x1f\x7f]+/g, ' ').trim();
  return line.length > most ? `${line.slice(0, most)}…` : line;
}
