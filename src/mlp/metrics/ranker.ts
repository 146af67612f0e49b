import { type Negatives, ScoreList } from './ranking.js';

/** Told of scores: of class k's own rows, and of other rows. */
export interface Ranker {
  add(k: number, score: number, positive: boolean, weight: number | undefined): void;
  /** Whether scores of other rows are wanted. */
  readonly negatives: boolean;
}

/** Lists scores, by class. @param negatives whether those of other rows are listed too */
export function listingRanker(
  lists: Readonly<Record<'positives' | 'negatives', Map<number, ScoreList>>>,
  negatives: boolean,
): Ranker {
  return {
    negatives,
    add(k, score, positive, weight) {
      const side = positive ? lists.positives : lists.negatives;
      if (!side.has(k)) side.set(k, new ScoreList());
      side.get(k)!.add(score, weight);
    },
  };
}

/** Counts other rows among thresholds. */
export function countingRanker(negatives: Negatives): Ranker {
  return {
    negatives: true,
    add(k, score, positive, weight = 1) {
      if (!positive) negatives.add(k, score, weight);
    },
  };
}

/** @param truth class numbers, one a row @param probabilities rows x classes */
export function rankClasses(
  ranker: Ranker,
  truth: readonly number[],
  probabilities: Float32Array,
  classes: number,
  weights: Float64Array | undefined,
): void {
  for (const [row, own] of truth.entries()) {
    const first = row * classes;
    const weight = weights?.[row];
    if (classes === 2) ranker.add(0, probabilities[first + 1]!, own === 1, weight);
    else if (!ranker.negatives) {
      if (own < classes) ranker.add(own, probabilities[first + own]!, true, weight);
    } else for (let k = 0; k < classes; k++) ranker.add(k, probabilities[first + k]!, own === k, weight);
  }
}

/** @param truth rows x labels, 0 or 1 @param probabilities likewise */
export function rankLabels(
  ranker: Ranker,
  truth: Uint8Array,
  probabilities: Float32Array,
  labels: number,
  weights: Float64Array | undefined,
): void {
  for (let i = 0; i < truth.length; i++)
    if (truth[i] === 1 || ranker.negatives)
      ranker.add(i % labels, probabilities[i]!, truth[i] === 1, weights?.[Math.floor(i / labels)]);
}
