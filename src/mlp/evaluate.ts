import { encodeValue } from '../executor/closure/index.js';
import type { Json } from '../protocol/json.js';
import { bytesOf } from '../ps/float-bytes.js';
import { shown } from '../rdd/arguments.js';
import { ArrowRDD } from '../rdd/arrow-rdd.js';
import type { SheafContext } from '../rdd/context.js';
import { backendRequest } from './backends.js';
import type { CommittedPart } from './committed.js';
import {
  type EvaluateParameters,
  type PartitionEvaluation,
  type RankingPass,
  rankedClasses,
  type ScoreState,
} from './evaluate-partition.js';
import { ClassificationScores, type ClassificationState } from './metrics/classification.js';
import { ManyLabelScores, type ManyLabelState } from './metrics/many-label.js';
import { type Areas, ascending, meanAreas, Negatives, positivesOf, weightUnit } from './metrics/ranking.js';
import { RegressionErrors, type RegressionSums } from './metrics/regression.js';

/** What is to be judged, and how. */
export type EvaluateRequest = Omit<EvaluateParameters, 'id' | 'scope' | 'backend' | 'theta' | 'ranking'> & {
  /** The weights, or where they lie. */
  readonly theta: Float32Array | readonly CommittedPart[];
  /** Of classifiers: whether areas under curves are wanted. */
  readonly ranking: boolean;
};

/** What all rows of a table add up to. */
export interface Judgement {
  readonly scores: ClassificationScores | ManyLabelScores | RegressionErrors;
  /** Labels that were not seen in training. */
  readonly unseen: readonly string[];
  readonly areas?: Areas;
}

let evaluations = 0;

/**
 * Predicts every row of a table on the executors and adds up what is right and wrong. Areas under curves of more than two classes, or
 * of labels, take a second pass.
 * @param owner for errors @param name for events
 * @throws TypeError for what is no table; Error when it has no rows, or none of any weight
 */
export async function judged(
  table: ArrowRDD,
  request: EvaluateRequest,
  { owner, name }: { readonly owner: string; readonly name: string },
): Promise<Judgement> {
  requireTable(owner, table);
  const { context } = table;
  // Several evaluations may run at once: each has a scope, and so a copy in the slots, of its own.
  const id = `theta-${evaluations++}`;
  const scope = `${context.app}/${id}`;
  const backend = backendRequest(context.conf);
  try {
    const theta =
      request.theta instanceof Float32Array ? [await putTheta(context, request.theta, id, scope)] : request.theta;
    const run = <T>(ranking: RankingPass) => {
      const parameters: EvaluateParameters = { ...request, theta, id, scope, backend, ranking };
      const module = 'mlp/evaluate-partition';
      const terminal = { kind: 'module', module, parameters: parameters as unknown as Json } as const;
      return context.runJob({ top: table.node, terminal, name, device: backend.device }, (answer) =>
        context.readValue<T>(answer),
      );
    };
    const pass = !request.ranking ? 'none' : rankedClasses(request) === 1 ? 'both' : 'positives';
    const parts = await run<PartitionEvaluation>(pass);
    const scores = scoresOf(
      request,
      parts.map(({ state }) => state),
    );
    const judgement = { scores, unseen: [...new Set(parts.flatMap(({ unseen }) => unseen))].sort() };
    if (scores.rows === 0) throw new Error(`${owner}: the table has no rows`);
    if (scores.weight === 0) throw new Error(`${owner}: every row's weight in column "${request.weight}" is 0`);
    if (pass === 'none') return judgement;
    const positives = positivesOf(byClass(parts.map((part) => part.positives)));
    const negatives = new Negatives(positives);
    if (pass === 'both')
      for (const [k, { scores, weights }] of byClass(parts.map((part) => part.negatives)).entries())
        scores.forEach((score, row) => void negatives.add(k, score, weights?.[row] ?? 1));
    else {
      const { offsets, scores: values } = positives;
      const thresholds = await context.blocks.put(`${id}:thresholds`, scope, encodeValue({ offsets, scores: values }));
      const unit = request.weight === undefined ? 0 : weightUnit(scores.weight);
      for (const counts of await run<Float64Array>({ thresholds, unit })) negatives.merge(counts);
    }
    return { ...judgement, areas: meanAreas(positives, negatives) };
  } finally {
    context.dag.release(scope);
  }
}

/** @throws TypeError saying what it is instead */
export function requireTable(owner: string, table: unknown): asserts table is ArrowRDD {
  if (!(table instanceof ArrowRDD))
    throw new TypeError(
      `${owner} takes a table, an ArrowRDD (toTable makes one of an RDD of rows), not ${shown(table)}`,
    );
}

function scoresOf({ target, threshold }: EvaluateRequest, states: readonly ScoreState[]): Judgement['scores'] {
  switch (target.kind) {
    case 'class': {
      const scores = new ClassificationScores(target.classes.length);
      for (const state of states) scores.merge(state as ClassificationState);
      return scores;
    }
    case 'labels': {
      const scores = new ManyLabelScores(target.classes.length, threshold);
      for (const state of states) scores.merge(state as ManyLabelState);
      return scores;
    }
    case 'values': {
      const errors = new RegressionErrors(target.width);
      for (const state of states) errors.merge(state as RegressionSums);
      return errors;
    }
  }
}

/** Of each class the rows of all partitions. */
function byClass(parts: readonly PartitionEvaluation['positives'][]) {
  return Array.from({ length: parts[0]?.length ?? 0 }, (_, k) => ascending(parts.map((part) => part[k]!)));
}

/** All weights as one block. */
export async function putTheta(
  context: SheafContext,
  theta: Float32Array,
  id: string,
  scope: string,
): Promise<CommittedPart> {
  return { from: 0, to: theta.length, block: await context.blocks.put(id, scope, bytesOf(theta)) };
}
