import { shortNumber } from './axis.js';
import type { Confusion } from './data.js';
import { COLORS, type Drawing, escaped, shortened, text } from './svg.js';

/** More classes cannot be told apart in a picture of this size. */
export const MAX_CLASSES = 200;
/** More classes have no room for names and counts. */
const MAX_LABELLED = 40;
const SIZE = 480;
const TOP = 40;
const LABEL = 14;

/**
 * A confusion matrix, true classes down, predicted ones across: a cell is the darker, the larger its share of its true
 * class, and holds its count.
 * @throws RangeError for more than `MAX_CLASSES` classes
 */
export function drawConfusion({ title, classes, counts }: Confusion): Drawing {
  if (classes.length > MAX_CLASSES)
    throw new RangeError(`a heat map of ${classes.length} classes cannot be read, at most ${MAX_CLASSES} can`);
  const labelled = classes.length <= MAX_LABELLED;
  const names = classes.map((name) => shortened(name, LABEL));
  const margin = labelled ? 24 + 7.5 * Math.max(...names.map((name) => name.length)) : 24;
  const side = Math.max(2, Math.min(56, Math.floor(SIZE / classes.length)));
  const extent = side * classes.length;
  const cells = counts.flatMap((row, actual) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, predicted) => {
      const share = total === 0 ? 0 : count / total;
      const [x, y] = [margin + predicted * side, TOP + actual * side];
      const hint = `${classes[actual]} taken for ${classes[predicted]}: ${count} of ${total}`;
      const cell = `<rect x="${x}" y="${y}" width="${side}" height="${side}" fill="${shade(share)}" stroke="${COLORS.paper}" stroke-width="${side > 8 ? 1 : 0}"><title>${escaped(hint)}</title></rect>`;
      if (!labelled || count === 0 || side < 20) return cell;
      const style = {
        anchor: 'middle',
        size: side < 32 ? 9 : 12,
        color: share > 0.5 ? COLORS.paper : COLORS.ink,
      } as const;
      return cell + text(x + side / 2, y + side / 2 + 4, shortNumber(count), style);
    });
  });
  const size = Math.min(12, Math.max(7, side - 2));
  const labels = names.flatMap((name, k) => [
    text(margin - 6, TOP + (k + 0.5) * side + 4, name, { anchor: 'end', size }),
    text(margin + (k + 0.5) * side + 4, TOP + extent + 10, name, { anchor: 'end', size, turn: -60 }),
  ]);
  const below = labelled ? margin : 24;
  const body = [
    text(0, 16, title, { size: 15, weight: 600, color: COLORS.ink }),
    ...cells,
    ...(labelled ? labels : []),
    text(margin + extent / 2, TOP + extent + below, 'predicted', { anchor: 'middle' }),
    text(12, TOP + extent / 2, 'actual', { anchor: 'middle', turn: -90 }),
  ];
  return {
    width: Math.max(margin + extent + 8, 240),
    height: TOP + extent + below + 8,
    label: title,
    body: body.join('\n'),
  };
}

/** From almost white to dark blue. */
function shade(share: number): string {
  const mix = (from: number, to: number) => Math.round(from + (to - from) * Math.sqrt(share));
  return `rgb(${mix(246, 9)},${mix(248, 66)},${mix(250, 138)})`;
}
