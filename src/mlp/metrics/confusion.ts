/** Counts of a classifier's answers, those that are not 0: so many classes have a square of cells, and rows fill few of them. */
export interface ConfusionMatrix {
  readonly classes: number;
  /** Ascending by actual class, then by predicted one. */
  readonly cells: readonly ConfusionCell[];
}

export interface ConfusionCell {
  readonly actual: number;
  readonly predicted: number;
  /** Rows, or their weight. */
  readonly count: number;
}

/** Precision, recall and F1 as scikit-learn defines them; a quotient with denominator 0 is 0. */
export interface ClassMetrics {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Rows of the class, or their weight. */
  readonly support: number;
}

/** Row-major: `counts[actual * classes + predicted]`. */
export function denseCounts({ classes, cells }: ConfusionMatrix): Float64Array {
  const counts = new Float64Array(classes * classes);
  for (const { actual, predicted, count } of cells) counts[actual * classes + predicted] = count;
  return counts;
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
export function accuracy({ cells }: ConfusionMatrix): number {
  let right = 0;
  let all = 0;
  for (const { actual, predicted, count } of cells) {
    if (actual === predicted) right += count;
    all += count;
  }
  return ratio(right, all);
}

export function classMetrics({ classes, cells }: ConfusionMatrix): ClassMetrics[] {
  const [right, supports, predictions] = [0, 0, 0].map(() => new Float64Array(classes)) as Triple;
  for (const { actual, predicted, count } of cells) {
    if (actual === predicted) right[actual] = count;
    supports[actual]! += count;
    predictions[predicted]! += count;
  }
  return Array.from({ length: classes }, (_, label) => {
    const [hits, support, predicted] = [right[label]!, supports[label]!, predictions[label]!];
    return {
      precision: ratio(hits, predicted),
      recall: ratio(hits, support),
      f1: ratio(2 * hits, predicted + support),
      support,
    };
  });
}

type Triple = [Float64Array, Float64Array, Float64Array];

/** Precision, recall and F1 of all classes together. */
export type AverageMetrics = Omit<ClassMetrics, 'support'>;

/**
 * Averages over the classes that occur, as actual or as predicted ones (scikit-learn's `average='macro'`, each class alike, and
 * `'weighted'`, by its rows). Micro averages are all equal to the accuracy where each row has one class.
 */
export function averageMetrics(
  { cells }: ConfusionMatrix,
  perClass: readonly ClassMetrics[],
): Record<'macro' | 'weighted', AverageMetrics> {
  const predicted = new Set(cells.map((cell) => cell.predicted));
  const occurring = perClass.filter(({ support }, label) => support > 0 || predicted.has(label));
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

export function ratio(numerator: number, denominator: number): number {
  return denominator === 0 ? 0 : numerator / denominator;
}
