/** Areas under curves. NaN where every row, or none, is positive; of several classes or labels the mean of those of which neither holds. */
export interface Areas {
  /** Area under the ROC curve; of several classes each against all others. Absent without ranking. */
  readonly rocAuc: number;
  /** Area under the precision-recall curve (average precision), likewise. */
  readonly prAuc: number;
}

/** Scores of some rows of one class. */
export interface ScoredRows {
  readonly scores: Float32Array;
  /** Absent: 1 each. */
  readonly weights?: Float64Array;
}

/** Collects scores of rows. */
export class ScoreList {
  readonly #scores: number[] = [];
  readonly #weights: number[] = [];

  /** @throws RangeError for a score that is no number */
  add(score: number, weight: number | undefined): void {
    if (Number.isNaN(score)) throw new RangeError('a score is not a number');
    if (weight === 0) return;
    this.#scores.push(score);
    if (weight !== undefined) this.#weights.push(weight);
  }

  toState(): ScoredRows {
    const scores = Float32Array.from(this.#scores);
    return this.#weights.length > 0 ? { scores, weights: Float64Array.from(this.#weights) } : { scores };
  }
}

/** The rows of all parts by score, those of equal score by weight: whatever the parts, the same. */
export function ascending(parts: readonly ScoredRows[]): ScoredRows {
  const rows = parts.reduce((sum, { scores }) => sum + scores.length, 0);
  const scores = new Float32Array(rows);
  const weights = new Float64Array(rows);
  let at = 0;
  for (const part of parts) {
    scores.set(part.scores, at);
    if (part.weights) weights.set(part.weights, at);
    else weights.fill(1, at, at + part.scores.length);
    at += part.scores.length;
  }
  if (parts.every((part) => part.weights === undefined)) return { scores: scores.sort() };
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]! || weights[a]! - weights[b]!);
  return {
    scores: Float32Array.from(order, (row) => scores[row]!),
    weights: Float64Array.from(order, (row) => weights[row]!),
  };
}

/**
 * The scores that positive rows have, by class: each row is positive for its own class alone, so that these are as many as rows, not
 * rows x classes; and where the scores of all other rows fall among them is all that both areas need.
 */
export interface Thresholds {
  /** Of each class in `scores`, and their end. */
  readonly offsets: Float64Array;
  /** Of each class ascending, different from one another. */
  readonly scores: Float32Array;
}

/** With the weight of the positive rows at each threshold. */
export interface Positives extends Thresholds {
  readonly weights: Float64Array;
}

/** @param sorted by class, ascending */
export function positivesOf(sorted: readonly ScoredRows[]): Positives {
  const rows = sorted.reduce((sum, { scores }) => sum + scores.length, 0);
  const [scores, weights] = [new Float32Array(rows), new Float64Array(rows)];
  const offsets = new Float64Array(sorted.length + 1);
  let at = 0;
  for (const [k, own] of sorted.entries()) {
    const first = at;
    for (let row = 0; row < own.scores.length; row++) {
      if (at === first || scores[at - 1] !== own.scores[row]) scores[at++] = own.scores[row]!;
      weights[at - 1]! += own.weights?.[row] ?? 1;
    }
    offsets[k + 1] = at;
  }
  return { offsets, scores: scores.subarray(0, at), weights: weights.subarray(0, at) };
}

/** Weights of the other rows, by where their scores fall among a class's thresholds: below each, and at it, in turns; above the last. */
export class Negatives {
  readonly counts: Float64Array;

  constructor(readonly thresholds: Thresholds) {
    this.counts = new Float64Array(2 * thresholds.scores.length + thresholds.offsets.length - 1);
  }

  add(k: number, score: number, weight: number): void {
    const { offsets, scores } = this.thresholds;
    let low = offsets[k]!;
    let high = offsets[k + 1]!;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (scores[middle]! < score) low = middle + 1;
      else high = middle;
    }
    const equal = low < offsets[k + 1]! && scores[low] === score ? 1 : 0;
    this.counts[2 * low + k + equal]! += weight;
  }

  merge(counts: Float64Array): void {
    for (let i = 0; i < counts.length; i++) this.counts[i]! += counts[i]!;
  }
}

/**
 * Both areas of one class. ROC: the share of pairs of a positive and another row in which the positive one has the greater score, ties
 * counting half (Mann and Whitney 1947), pairs by the product of their weights. Precision-recall: the sum over thresholds of (recall
 * gained) x precision (scikit-learn's `average_precision_score`; straight lines between the points would be too optimistic, Davis and
 * Goadrich 2006).
 */
export function areasOf({ offsets, weights }: Positives, { counts }: Negatives, k: number): Areas {
  const [first, end] = [offsets[k]!, offsets[k + 1]!];
  let below = 0;
  let positive = 0;
  let pairs = 0; // twice them: whole numbers, where weights are
  for (let i = first; i < end; i++) {
    below += counts[2 * i + k]!;
    const equal = counts[2 * i + k + 1]!;
    pairs += weights[i]! * (2 * below + equal);
    below += equal;
    positive += weights[i]!;
  }
  const negative = below + counts[2 * end + k]!;
  let [found, alarms, area] = [0, counts[2 * end + k]!, 0];
  for (let i = end - 1; i >= first; i--) {
    found += weights[i]!;
    alarms += counts[2 * i + k + 1]!;
    area += (weights[i]! * found) / (found + alarms);
    alarms += counts[2 * i + k]!;
  }
  return { rocAuc: pairs / (2 * positive * negative), prAuc: negative === 0 ? Number.NaN : area / positive };
}

/** Means over the classes that have areas. */
export function meanAreas(positives: Positives, negatives: Negatives): Areas {
  const classes = positives.offsets.length - 1;
  const all = Array.from({ length: classes }, (_, k) => areasOf(positives, negatives, k));
  const known = all.filter(({ rocAuc }) => !Number.isNaN(rocAuc));
  const mean = (value: (each: Areas) => number) => known.reduce((sum, each) => sum + value(each), 0) / known.length;
  return { rocAuc: mean((each) => each.rocAuc), prAuc: mean((each) => each.prAuc) };
}

/**
 * What weights are rounded to so that any sums of them are exact in float64, in any order (pre-rounding, Demmel and Nguyen 2013); each
 * changes by less than a sum of all would be rounded by.
 * @param total of all weights
 */
export function weightUnit(total: number): number {
  return 2 ** (Math.ceil(Math.log2(total)) + 1 - 53);
}
