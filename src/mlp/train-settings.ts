import type { ServerOptions } from '../ps/server/options.js';
import { type AllReduceOptions, AllReduceRounds } from './allreduce-rounds.js';
import type { EpochMeasure } from './checkpoint/checkpoint-header.js';
import type { CheckpointOptions } from './checkpoint/checkpoints.js';
import { ParameterServerRounds } from './ps-rounds.js';
import type { Aggregation, Rounds } from './rounds.js';
import type { TrainingCluster } from './training-cluster.js';
import type { TrainingHooks } from './training-reports.js';
import { TreeRounds } from './tree-rounds.js';

/** What does not change the numbers of a synchronous training. */
export interface TrainSettings {
  readonly aggregation: Aggregation;
  /** Of parameter servers. */
  readonly servers?: ServerOptions;
  readonly allReduce?: AllReduceOptions;
  readonly hooks?: TrainingHooks;
  readonly checkpoint?: CheckpointOptions;
}

export interface TrainingResult {
  readonly theta: Float32Array;
  readonly losses: readonly number[];
  /** Of each epoch, where the noise of gradients is measured. */
  readonly measured?: readonly EpochMeasure[];
  /** Compute backend, for people. */
  readonly backend: string;
  /** Generations formed: 1 when nothing was lost, nobody joined and no shard moved. */
  readonly generations: number;
}

/** Whether who computes which shards changes no bit: sums are added along the canonical tree, and none is rounded on its way. */
export function addsCanonically({ aggregation, servers, allReduce }: TrainSettings): boolean {
  if (aggregation === 'tree') return true;
  const wire = aggregation === 'ps' ? servers?.filters?.wire : allReduce?.wire;
  return (wire ?? 'float32') === 'float32' && (aggregation === 'ps' || allReduce?.algorithm !== 'ring');
}

/** How gradients become updates, as the settings say. */
export function roundsOf(cluster: TrainingCluster, { aggregation, servers, allReduce }: TrainSettings): Rounds {
  if (aggregation === 'tree') return new TreeRounds(cluster);
  if (aggregation === 'ps') return new ParameterServerRounds(cluster, servers);
  return new AllReduceRounds(cluster, allReduce);
}
