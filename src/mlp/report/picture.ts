import { createRequire } from 'node:module';
import type { ReportData } from './data.js';
import { drawFigure } from './html.js';
import { COLORS, type Drawing, svgOf, text } from './svg.js';
import { drawTable } from './table.js';

const MARGIN = 24;
const GAP = 36;
const COLUMNS = 2;
/** Rows of a table that a picture shows: it cannot be scrolled. */
const MAX_ROWS = 60;

/** The whole report as one drawing: figures side by side, tables below one another. */
export function drawReport({ title, figures, tables }: ReportData): Drawing {
  const shown = tables.map((table) => drawTable({ ...table, rows: shorten(table.rows) }));
  const placed: { readonly x: number; readonly y: number; readonly drawing: Drawing }[] = [];
  let y = MARGIN + 44;
  const drawings = figures.map(drawFigure);
  for (let first = 0; first < drawings.length; first += COLUMNS) {
    const row = drawings.slice(first, first + COLUMNS);
    let x = MARGIN;
    for (const drawing of row) {
      placed.push({ x, y, drawing });
      x += drawing.width + GAP;
    }
    y += Math.max(...row.map(({ height }) => height)) + GAP;
  }
  for (const drawing of shown) {
    placed.push({ x: MARGIN, y, drawing });
    y += drawing.height + GAP;
  }
  const width = Math.max(480, ...placed.map(({ x, drawing }) => x + drawing.width + MARGIN));
  const body = [
    `<rect width="${width}" height="${y}" fill="${COLORS.paper}"/>`,
    text(MARGIN, MARGIN + 20, title, { size: 22, weight: 600, color: COLORS.ink }),
    ...placed.map(({ x, y, drawing }) => `<g transform="translate(${x} ${y})">${drawing.body}</g>`),
  ];
  return { width, height: y, label: title, body: body.join('\n') };
}

function shorten(rows: readonly (readonly string[])[]): readonly (readonly string[])[] {
  if (rows.length <= MAX_ROWS) return rows;
  return [...rows.slice(0, MAX_ROWS - 1), [`… ${rows.length - MAX_ROWS + 1} more`]];
}

/**
 * A drawing as a PNG, twice as many dots as pixels. Texts are set in DejaVu Sans, which comes with the project: a bare
 * machine has no fonts at all.
 */
export async function pngOf(drawing: Drawing): Promise<Buffer> {
  const { Resvg } = await import('@resvg/resvg-js');
  const require = createRequire(import.meta.url);
  const fontFiles = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((file) =>
    require.resolve(`dejavu-fonts-ttf/ttf/${file}`),
  );
  const font = { fontFiles, loadSystemFonts: false, defaultFontFamily: 'DejaVu Sans' };
  return new Resvg(svgOf(drawing), { font, fitTo: { mode: 'zoom', value: 2 } }).render().asPng();
}
