import { axisOf } from './axis.js';
import type { Curves, Series } from './data.js';
import { COLORS, type Drawing, escaped, SERIES, text } from './svg.js';

const WIDTH = 560;
const HEIGHT = 280;
const LEFT = 64;
const RIGHT = 16;
const TOP = 56;
const BOTTOM = 44;

/** A line chart; its vertical axis is logarithmic where values are above 0 and span more than a factor of 30. */
export function drawCurves({ title, x: unit, series }: Curves): Drawing {
  const points = series.flatMap((each) => each.points.filter(isDrawn));
  const vertical = axisOf(points.map(([, y]) => y));
  // Gaps have their place too: curves of one training stand above each other.
  const horizontal = axisOf(series.flatMap((each) => each.points.map(([x]) => x)).filter(Number.isFinite), {
    linear: true,
    whole: true,
    tight: true,
  });
  const x = (value: number) => LEFT + horizontal.place(value) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => HEIGHT - BOTTOM - vertical.place(value) * (HEIGHT - TOP - BOTTOM);
  const grid = vertical.ticks.map(
    (tick, k) =>
      `<path d="M${LEFT} ${round(y(tick))}H${WIDTH - RIGHT}" stroke="${COLORS.grid}"/>` +
      text(LEFT - 8, y(tick) + 4, vertical.labels[k]!, { anchor: 'end' }),
  );
  const ticks = horizontal.ticks.map((tick, k) =>
    text(x(tick), HEIGHT - BOTTOM + 18, horizontal.labels[k]!, { anchor: 'middle' }),
  );
  const lines = series.map((each, k) => line(each, SERIES[k % SERIES.length]!, x, y));
  const scale = vertical.logarithmic ? ' (log scale)' : '';
  const body = [
    text(0, 16, `${title}${scale}`, { size: 15, weight: 600, color: COLORS.ink }),
    ...legend(series),
    ...grid,
    ...ticks,
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, unit, { anchor: 'middle' }),
    ...lines,
    ...(points.length === 0 ? [text(WIDTH / 2, HEIGHT / 2, 'no values', { anchor: 'middle' })] : []),
  ];
  return { width: WIDTH, height: HEIGHT, label: `${title} by ${unit}`, body: body.join('\n') };
}

/** One series needs none: the title names it. */
function legend(series: readonly Series[]): string[] {
  if (series.length < 2) return [];
  let at = LEFT;
  return series.map(({ name }, k) => {
    const start = at;
    at += 40 + name.length * 8;
    return `<path d="M${start} 36h18" stroke="${SERIES[k % SERIES.length]}" stroke-width="2"/>${text(start + 24, 40, name)}`;
  });
}

function line({ name, points }: Series, color: string, x: (v: number) => number, y: (v: number) => number): string {
  const path = points
    .map((point, k) => {
      if (!isDrawn(point)) return '';
      const begins = k === 0 || !isDrawn(points[k - 1]!);
      return `${begins ? 'M' : 'L'}${round(x(point[0]))} ${round(y(point[1]))}`;
    })
    .join('');
  // Beyond some dozens, marks hide the line.
  const marked = points.length <= 60 ? points.filter(isDrawn) : [];
  const marks = marked.map(
    ([at, value]) =>
      `<circle cx="${round(x(at))}" cy="${round(y(value))}" r="2.5" fill="${color}"><title>${escaped(`${name} ${at}: ${value}`)}</title></circle>`,
  );
  return `<path d="${path}" fill="none" stroke="${color}" stroke-width="2" stroke-linejoin="round"/>${marks.join('')}`;
}

const isDrawn = ([x, y]: readonly [number, number]) => Number.isFinite(x) && Number.isFinite(y);

const round = (value: number) => Number(value.toFixed(1));
