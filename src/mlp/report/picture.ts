import { createRequire } from 'node:module';
import type { ReportData } from './data.js';
import { drawFigure } from './html.js';
import { COLORS, type Drawing, svgOf, text } from './svg.js';
import { drawTable } from './table.js';

const MARGIN = 24;
const GAP = 36;
/** What stands side by side: two charts. */
const WIDTH = 1160;
/** Rows of a table that a picture shows: it cannot be scrolled. */
const MAX_ROWS = 60;

/** The whole report as one drawing: figures, then tables, side by side where they fit. */
export function drawReport({ title, figures, tables }: ReportData): Drawing {
  const shown = tables.map((table) => drawTable({ ...table, rows: shorten(table.rows) }));
  const placed = [...figures.map(drawFigure), ...shown].reduce(place, []);
  const right = placed.map(({ x, drawing }) => x + drawing.width + MARGIN);
  const width = Math.ceil(Math.max(480, ...right));
  const height = Math.ceil(Math.max(...placed.map(bottom)) + MARGIN);
  const body = [
    `<rect width="${width}" height="${height}" fill="${COLORS.paper}"/>`,
    text(MARGIN, MARGIN + 20, title, { size: 22, weight: 600, color: COLORS.ink }),
    ...placed.map(({ x, y, drawing }) => `<g transform="translate(${x} ${y})">${drawing.body}</g>`),
  ];
  return { width, height, label: title, body: body.join('\n') };
}

interface Placed {
  readonly x: number;
  readonly y: number;
  readonly drawing: Drawing;
}

const bottom = ({ y, drawing }: Placed) => y + drawing.height;

/** To the right of the last one, or below all where there is no room. */
function place(placed: readonly Placed[], drawing: Drawing): Placed[] {
  const last = placed.at(-1);
  if (!last) return [{ x: MARGIN, y: MARGIN + 44, drawing }];
  const x = last.x + last.drawing.width + GAP;
  const fits = x + drawing.width <= MARGIN + WIDTH;
  const next = fits ? { x, y: last.y } : { x: MARGIN, y: Math.max(...placed.map(bottom)) + GAP };
  return [...placed, { ...next, drawing }];
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
