/** Lines of cells under a head, in a frame; columns of numbers to the right. Pure. */
export function textTable(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((name, k) => Math.max(width(name), ...lines.map((line) => width(line[k]!))));
  const numeric = head.map((_, k) => lines.every((line) => NUMERIC.test(line[k]!)));
  const rule = `+${widths.map((length) => '-'.repeat(length + 2)).join('+')}+`;
  const row = (cells: readonly string[]) =>
    `|${cells.map((cell, k) => ` ${padded(cell, widths[k]!, numeric[k]!)} `).join('|')}|`;
  return [rule, row(head), rule, ...lines.map(row), rule].join('\n');
}

const NUMERIC = /^(-?\d.*|null|)$/;

/** Characters; of wide scripts terminals may show more. */
const width = (text: string) => [...text].length;

function padded(text: string, length: number, right: boolean): string {
  const space = ' '.repeat(length - width(text));
  return right ? space + text : text + space;
}

/** A value as a cell: on one line, at most `most` characters (0: all). */
export function cellText(value: unknown, most: number): string {
  const text = plainText(value).replace(/[\n\r\t]/g, ' ');
  const letters = [...text];
  return most > 0 && letters.length > most ? `${letters.slice(0, Math.max(most - 1, 0)).join('')}…` : text;
}

function plainText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined || typeof value !== 'object') return String(value);
  return JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? String(inner) : inner));
}
