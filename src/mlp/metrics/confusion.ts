/** Counts of a classifier's answers, row-major: `counts[actual * classes + predicted]`. */
export interface ConfusionMatrix {
  readonly classes: number;
  readonly counts: Float64Array;
}

/** Precision, recall and F1 as scikit-learn defines them; a quotient with denominator 0 is 0. */
export interface ClassMetrics {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Rows of the class. */
  readonly support: number;
}

/**
 * @param actual class numbers, one a row
 * @param predicted likewise; both below `classes`
 * @throws RangeError when lengths differ or a class does not exist
 */
export function confusionMatrix(
  actual: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: number,
): ConfusionMatrix {
  if (actual.length !== predicted.length)
    throw new RangeError(`${actual.length} actual classes do not go with ${predicted.length} predicted ones`);
  const counts = new Float64Array(classes * classes);
  for (let row = 0; row < actual.length; row++) {
    for (const label of [actual[row]!, predicted[row]!])
      if (!Number.isInteger(label) || label < 0 || label >= classes)
        throw new RangeError(`row ${row} has class ${label}, there are ${classes} classes`);
    counts[actual[row]! * classes + predicted[row]!]!++;
  }
  return { classes, counts };
}

/** The class with the highest probability, row by row; the first one of equals. */
export function argmaxRows(probabilities: ArrayLike<number>, classes: number): Int32Array {
  const rows = probabilities.length / classes;
  const best = new Int32Array(rows);
  for (let row = 0; row < rows; row++)
    for (let label = 1; label < classes; label++)
      if (probabilities[row * classes + label]! > probabilities[row * classes + best[row]!]!) best[row] = label;
  return best;
}

/** Share of rows on the diagonal; 0 for no rows. */
export function accuracy({ classes, counts }: ConfusionMatrix): number {
  let right = 0;
  for (let label = 0; label < classes; label++) right += counts[label * classes + label]!;
  return ratio(right, sum(counts));
}

export function classMetrics({ classes, counts }: ConfusionMatrix): ClassMetrics[] {
  const predictions = predictedTotals({ classes, counts });
  return Array.from({ length: classes }, (_, label) => {
    const right = counts[label * classes + label]!;
    const support = sum(counts.subarray(label * classes, (label + 1) * classes));
    const predicted = predictions[label]!;
    return {
      precision: ratio(right, predicted),
      recall: ratio(right, support),
      f1: ratio(2 * right, predicted + support),
      support,
    };
  });
}

/** How often each class was predicted. */
function predictedTotals({ classes, counts }: ConfusionMatrix): Float64Array {
  const totals = new Float64Array(classes);
  for (let i = 0; i < counts.length; i++) totals[i % classes]! += counts[i]!;
  return totals;
}

/** Precision, recall and F1 of all classes together. */
export type AverageMetrics = Omit<ClassMetrics, 'support'>;

/**
 * Averages over the classes that occur, as actual or as predicted ones (scikit-learn's `average='macro'`, each class alike, and
 * `'weighted'`, by its rows). Micro averages are all equal to the accuracy where each row has one class.
 */
export function averageMetrics(matrix: ConfusionMatrix): Record<'macro' | 'weighted', AverageMetrics> {
  const predictions = predictedTotals(matrix);
  const occurring = classMetrics(matrix).filter(({ support }, label) => support > 0 || predictions[label]! > 0);
  const mean = (weight: (each: ClassMetrics) => number) => weightedMean(occurring, weight);
  return { macro: mean(() => 1), weighted: mean(({ support }) => support) };
}

/** Means of precision, recall and F1; 0 where all weights are. */
export function weightedMean<T extends AverageMetrics>(all: readonly T[], weight: (each: T) => number): AverageMetrics {
  const total = all.reduce((sum, each) => sum + weight(each), 0);
  const mean = (value: (each: T) => number) =>
    ratio(
      all.reduce((sum, each) => sum + weight(each) * value(each), 0),
      total,
    );
  return {
    precision: mean((each) => each.precision),
    recall: mean((each) => each.recall),
    f1: mean((each) => each.f1),
  };
}

/** Mean F1 over the classes that occur, as actual or as predicted ones (scikit-learn's `f1_score(average='macro')`). */
export function macroF1(matrix: ConfusionMatrix): number {
  return averageMetrics(matrix).macro.f1;
}

/**
 * The matrix as text, rows actual, columns predicted, and precision, recall and F1 of each class.
 *
 * @param names of the classes
 */
export function formatConfusion(matrix: ConfusionMatrix, names: readonly string[]): string {
  const { classes, counts } = matrix;
  const label = (i: number) => names[i] ?? String(i);
  const header = ['actual \\ predicted', ...range(classes).map(label), 'precision', 'recall', 'F1'];
  const rows = classMetrics(matrix).map(({ precision, recall, f1 }, actual) => [
    label(actual),
    ...range(classes).map((predicted) => String(counts[actual * classes + predicted])),
    ...[precision, recall, f1].map((value) => value.toFixed(3)),
  ]);
  return alignColumns([header, ...rows]);
}

/** A table as text: the first column to the left, all others to the right. */
export function alignColumns(table: readonly (readonly string[])[]): string {
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const align = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return table.map((row) => row.map(align).join('  ')).join('\n');
}

export function ratio(numerator: number, denominator: number): number {
  return denominator === 0 ? 0 : numerator / denominator;
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
