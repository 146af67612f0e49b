/**
 * Scores of a class's rows and of all others, each ascending: all that measures of a ranking need. Exact, mergeable in any
 * order, 4 bytes a row.
 */
export interface RankedScores {
  readonly positives: Float32Array;
  readonly negatives: Float32Array;
}

/**
 * @param scores one a row; greater means more likely positive
 * @param isPositive by row
 * @throws RangeError for a score that is no number
 */
export function rankedScores(scores: ArrayLike<number>, isPositive: (row: number) => boolean): RankedScores {
  const sides = [new Float32Array(scores.length), new Float32Array(scores.length)] as const;
  const counts = [0, 0];
  for (let row = 0; row < scores.length; row++) {
    if (Number.isNaN(scores[row])) throw new RangeError(`the score of row ${row} is not a number`);
    const side = isPositive(row) ? 0 : 1;
    sides[side][counts[side]!++] = scores[row]!;
  }
  return { positives: sides[0].slice(0, counts[0]).sort(), negatives: sides[1].slice(0, counts[1]).sort() };
}

export function mergeRanked(parts: readonly RankedScores[]): RankedScores {
  return {
    positives: joined(parts.map(({ positives }) => positives)),
    negatives: joined(parts.map(({ negatives }) => negatives)),
  };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all.sort();
}

/**
 * Area under the ROC curve: the share of pairs of a positive and a negative row in which the positive one has the greater
 * score, ties counting half (Mann and Whitney 1947). NaN where one of the two kinds has no row.
 */
export function rocAuc({ positives, negatives }: RankedScores): number {
  // Twice the pairs: whole numbers, exact below 2^53.
  let pairs = 0;
  let below = 0;
  let upTo = 0;
  for (let i = 0; i < positives.length; i++) {
    while (below < negatives.length && negatives[below]! < positives[i]!) below++;
    while (upTo < negatives.length && negatives[upTo]! <= positives[i]!) upTo++;
    pairs += below + upTo;
  }
  return pairs / (2 * positives.length * negatives.length);
}

/** Rows whose score is at least the threshold, by what they are. */
export interface CurvePoint {
  readonly threshold: number;
  readonly truePositives: number;
  readonly falsePositives: number;
}

/** A point for every score that occurs, the greatest first: what ROC and precision-recall curves are drawn of. */
export function* curvePoints({ positives, negatives }: RankedScores): Generator<CurvePoint> {
  let p = positives.length;
  let n = negatives.length;
  while (p > 0 || n > 0) {
    const threshold = Math.max(positives[p - 1] ?? -Infinity, negatives[n - 1] ?? -Infinity);
    while (p > 0 && positives[p - 1] === threshold) p--;
    while (n > 0 && negatives[n - 1] === threshold) n--;
    yield { threshold, truePositives: positives.length - p, falsePositives: negatives.length - n };
  }
}

/**
 * Area under the precision-recall curve as a step function: the sum over thresholds of (recall gained) x precision
 * (scikit-learn's `average_precision_score`; straight lines between the points would be too optimistic, Davis and Goadrich
 * 2006). 0 without positive rows.
 */
export function averagePrecision(ranked: RankedScores): number {
  let area = 0;
  let found = 0;
  for (const { truePositives, falsePositives } of curvePoints(ranked)) {
    const gained = truePositives - found;
    if (gained > 0) area += (gained * truePositives) / (truePositives + falsePositives);
    found = truePositives;
  }
  return ranked.positives.length === 0 ? 0 : area / ranked.positives.length;
}
