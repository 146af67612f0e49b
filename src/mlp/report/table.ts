import type { Table } from './data.js';
import { COLORS, type Drawing, escaped, shortened, text } from './svg.js';

const LINE = 20;
const TOP = 44;
const GAP = 24;
/** Of DejaVu Sans' letters at 12 pixels, on average and a bit. */
const LETTER = 7.4;
/** Longer cells are cut off in pictures. */
const LONGEST = 76;

/** A table as text: first column to the left; others to the right where they hold numbers only. */
export function drawTable({ title, header, rows }: Table): Drawing {
  const all = header ? [header, ...rows] : rows;
  const columns = Math.max(0, ...all.map((row) => row.length));
  const numeric = Array.from({ length: columns }, (_, c) => isNumeric(rows, c));
  const widths = Array.from({ length: columns }, (_, c) => LETTER * Math.max(...all.map((row) => cut(row[c]).length)));
  const lefts = widths.map((_, c) => widths.slice(0, c).reduce((sum, width) => sum + width + GAP, 0));
  const cell = (content: string | undefined, c: number, y: number, style: { weight?: number; color?: string }) =>
    numeric[c]
      ? text(lefts[c]! + widths[c]!, y, cut(content), { ...style, anchor: 'end' })
      : text(lefts[c]!, y, cut(content), style);
  const lines = all.map((row, r) => {
    const style = header && r === 0 ? { weight: 600 } : { color: COLORS.ink };
    return Array.from({ length: columns }, (_, c) => cell(row[c], c, TOP + r * LINE, style)).join('');
  });
  const width = Math.ceil((lefts.at(-1) ?? 0) + (widths.at(-1) ?? 0)) + 8;
  const rule = header ? `<path d="M0 ${TOP + 6}H${width - 8}" stroke="${COLORS.grid}"/>` : '';
  const head = text(0, 16, title, { size: 15, weight: 600, color: COLORS.ink });
  const body = [head, rule, ...lines].join('\n');
  return { width: Math.max(width, 8 + title.length * 9), height: TOP + all.length * LINE, label: title, body };
}

export function tableHtml({ title, header, rows }: Table): string {
  const numeric = (c: number) => (isNumeric(rows, c) ? ' class="number"' : '');
  const cells = (row: readonly string[], tag: 'td' | 'th') =>
    row.map((content, c) => `<${tag}${numeric(c)}>${escaped(content)}</${tag}>`).join('');
  const head = header ? `<thead><tr>${cells(header, 'th')}</tr></thead>` : '';
  const body = rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('\n');
  return `<section><h2>${escaped(title)}</h2><div class="wide"><table>${head}<tbody>\n${body}\n</tbody></table></div></section>`;
}

/** Names stand in the first column, whatever they look like. */
function isNumeric(rows: readonly (readonly string[])[], column: number): boolean {
  return (
    column > 0 &&
    rows.length > 0 &&
    rows.every((row) => /^[-−+]?[\d.,]+(e[-+]?\d+)?$|^NaN$|^$/i.test(row[column] ?? ''))
  );
}

const cut = (content: string | undefined) => shortened(content ?? '', LONGEST);
