import { drawCurves } from './curves.js';
import type { Figure, ReportData } from './data.js';
import { drawConfusion } from './heat-map.js';
import { COLORS, type Drawing, escaped, FONT, svgOf } from './svg.js';
import { tableHtml } from './table.js';

export function drawFigure(figure: Figure): Drawing {
  return figure.kind === 'curves' ? drawCurves(figure) : drawConfusion(figure);
}

const STYLE = `
body { font: 14px/1.5 ${FONT}; color: ${COLORS.ink}; background: ${COLORS.paper}; margin: 2rem auto; max-width: 1180px; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.05rem; margin: 1.5rem 0 .5rem }
.figures { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start }
figure { margin: 0; max-width: 100% } figure svg { max-width: 100%; height: auto }
.wide { overflow-x: auto } table { border-collapse: collapse }
td, th { padding: .2rem .8rem .2rem 0; border-bottom: 1px solid ${COLORS.grid}; text-align: left; overflow-wrap: anywhere }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }`;

/** One file that shows itself: no scripts, nothing fetched from anywhere. */
export function reportHtml({ title, figures, tables }: ReportData): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}
</style>
</head>
<body>
<h1>${escaped(title)}</h1>
<div class="figures">
${figures.map((figure) => `<figure>${svgOf(drawFigure(figure))}</figure>`).join('\n')}
</div>
${tables.map(tableHtml).join('\n')}
</body>
</html>
`;
}
