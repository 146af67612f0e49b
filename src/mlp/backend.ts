import type { Network } from './network.js';
import type { OptimizerSpec } from './optimizers.js';

/**
 * Computes a network on one device. Two implementations: `tensorflow` (native graphs, CPU or CUDA) and `tfjs` (TF.js
 * ops on wasm: the portable fallback, and the cross-check of the first). Everything that crosses this interface is flat:
 * `theta`, all parameters in the network's layout, one Float32Array; a gradient another.
 */
export interface ComputeBackend {
  readonly name: 'tensorflow' | 'tfjs-wasm';
  /** For people: `TensorFlow 2.21.0 (CPU, AVX512…)`. */
  readonly description: string;
  /** Equal fingerprints compute equal bits. */
  readonly fingerprint: string;
  readonly device: 'cpu' | 'gpu';
  /** @throws RangeError, TypeError for a network that makes no sense, as `checkNetwork` */
  compile(network: Network, optimizer: OptimizerSpec, options?: CompileOptions): Promise<CompiledNetwork>;
}

export interface CompileOptions {
  /** Keys dropout. Default 0. */
  readonly seed?: number;
}

/** A gradient shard's rows. */
export interface ShardData {
  /** Row-major, rows x inputs. */
  readonly features: Float32Array;
  /** Class numbers, one a row, or values, rows x outputs, row-major (see `labelKindOf`). */
  readonly labels: Int32Array | Float32Array;
  /** How much each row counts, at least 0. Default: 1 each. */
  readonly weights?: Float32Array;
}

/** Sums (not means) over the rows of a gradient. */
export interface ShardGradient {
  /**
   * Of the sum of the rows' losses, each times its weight, in theta's layout. In the place of a statistic:
   * (moving - statistic of these rows) x `weight`.
   */
  readonly gradient: Float32Array;
  /** In float64, as `weight`. */
  readonly lossSum: number;
  /** Sum of the rows' weights, those of their classes included: what sums are divided by. */
  readonly weight: number;
}

/** A network whose weights, optimizer slots and training shards are resident in the device's memory. */
export interface CompiledNetwork {
  /** `theta` followed by the optimizer's slots, each of theta's length. */
  readonly stateLength: number;
  setState(state: Float32Array): void;
  state(): Float32Array;
  theta(): Float32Array;
  setTheta(theta: Float32Array): void;
  /**
   * Computes from now on with what this array holds at each call, without being told of changes, where that is possible.
   * @param scratch memory of the same kind and alignment that nobody else uses: changed, to try it out
   * @returns whether it is; if not, all is as before
   */
  shareTheta(theta: Float32Array, scratch: Float32Array): boolean;
  /** Makes a shard resident, in place of what was loaded as this shard before. The arrays may be changed afterwards. */
  loadShard(shard: number, data: ShardData): void;
  dropShard(shard: number): void;
  /**
   * Over the given rows of the shard, in one native call. No rows, no sums.
   * @param step updates made before: with seed and shard it keys dropout
   * @param into takes the gradient. Default: a new array
   */
  gradient(shard: number, rows: Int32Array, step: number, into?: Float32Array): ShardGradient;
  /** One optimizer step with the mean gradient; `step` counts from 1. */
  apply(meanGradient: Float32Array, step: number): void;
  /** Network outputs (class probabilities, probabilities of labels, or values), rows x outputs. */
  predict(features: Float32Array, rows: number): Float32Array;
  dispose(): void;
}
