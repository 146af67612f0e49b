// Draws the loss of each epoch of an event log as an SVG: node scripts/plot-loss.mjs EVENTS.jsonl > docs/loss.svg
import { readFileSync } from 'node:fs';

const WIDTH = 720;
const HEIGHT = 300;
const LEFT = 56;
const BOTTOM = 40;
const TOP = 24;

const rounds = readFileSync(process.argv[2], 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line))
  .filter(({ event }) => event === 'round');
if (rounds.length < 2) throw new Error(`${process.argv[2]} holds no training of two epochs or more`);

const logs = rounds.map(({ loss }) => Math.log10(loss));
const [low, high] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))];
const x = (epoch) => LEFT + ((epoch - 1) / (rounds.length - 1)) * (WIDTH - LEFT - 16);
const y = (log) => TOP + ((high - log) / (high - low)) * (HEIGHT - TOP - BOTTOM);
const text = (at, down, content, anchor = 'middle') =>
  `<text x="${at}" y="${down}" text-anchor="${anchor}" font-family="sans-serif" font-size="12" fill="#57606a">${content}</text>`;

const decades = Array.from({ length: high - low + 1 }, (_, k) => low + k);
const grid = decades.map(
  (log) =>
    `<path d="M${LEFT} ${y(log)}H${WIDTH - 16}" stroke="#d0d7de"/>${text(LEFT - 8, y(log) + 4, 10 ** log, 'end')}`,
);
const ticks = rounds
  .filter(({ epoch }) => epoch === 1 || epoch % 5 === 0)
  .map(({ epoch }) => text(x(epoch), HEIGHT - 18, epoch));
const points = rounds.map(({ epoch }, k) => `${x(epoch).toFixed(1)},${y(logs[k]).toFixed(1)}`);
process.stdout.write(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="training loss by epoch">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
${grid.join('\n')}
${ticks.join('\n')}
${text(WIDTH / 2, HEIGHT - 3, 'epoch')}
${text(LEFT, 14, 'mean training loss (log scale)', 'start')}
<polyline points="${points.join(' ')}" fill="none" stroke="#0969da" stroke-width="2"/>
${points.map((point) => `<circle cx="${point.split(',')[0]}" cy="${point.split(',')[1]}" r="2.5" fill="#0969da"/>`).join('')}
</svg>
`);
