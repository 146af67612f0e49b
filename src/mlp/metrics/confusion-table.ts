import { type ClassMetrics, type ConfusionMatrix, classMetrics, denseCounts } from './confusion.js';

/** More columns are no table that anybody reads. */
const MAX_COLUMNS = 50;
/** Of the wrong answers of many classes, so many are told. */
const MISTAKES = 20;

/**
 * The matrix as text, rows actual, columns predicted, and precision, recall and F1 of each class. Of more than 50 classes the
 * latter alone, and the most frequent mistakes.
 *
 * @param names of the classes
 */
export function formatConfusion(matrix: ConfusionMatrix, names: readonly string[]): string {
  const { classes } = matrix;
  const perClass = classMetrics(matrix);
  const scores = ({ precision, recall, f1 }: ClassMetrics) => [precision, recall, f1].map((value) => value.toFixed(3));
  if (classes > MAX_COLUMNS) {
    const rows = perClass.map((each, k) => [names[k]!, shown(each.support), ...scores(each)]);
    return [alignColumns([['class', 'rows', 'precision', 'recall', 'F1'], ...rows]), mistakes(matrix, names)].join(
      '\n',
    );
  }
  const counts = denseCounts(matrix);
  const header = ['actual \\ predicted', ...names, 'precision', 'recall', 'F1'];
  const rows = perClass.map((each, actual) => [
    names[actual]!,
    ...Array.from(counts.subarray(actual * classes, (actual + 1) * classes), shown),
    ...scores(each),
  ]);
  return alignColumns([header, ...rows]);
}

function mistakes({ cells }: ConfusionMatrix, names: readonly string[]): string {
  const wrong = cells.filter(({ actual, predicted }) => actual !== predicted);
  if (wrong.length === 0) return 'no mistakes';
  const most = wrong.sort((a, b) => b.count - a.count).slice(0, MISTAKES);
  const rows = most.map(({ actual, predicted, count }) => [names[actual]!, names[predicted]!, shown(count)]);
  return alignColumns([['actual', 'most often taken for', 'rows'], ...rows]);
}

/** Weights are sums of fractions. */
const shown = (count: number) => (Number.isInteger(count) ? String(count) : count.toPrecision(6));

/** A table as text: the first column to the left, all others to the right. */
export function alignColumns(table: readonly (readonly string[])[]): string {
  const widths = table[0]!.map((_, column) => table.reduce((most, row) => Math.max(most, row[column]!.length), 0));
  const align = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return table.map((row) => row.map(align).join('  ')).join('\n');
}
