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
  compile(network: Network, optimizer: OptimizerSpec): Promise<CompiledNetwork>;
}

/** A network whose weights, optimizer slots and training shards are resident in the device's memory. */
export interface CompiledNetwork {
  /** `theta` followed by the optimizer's slots, each of theta's length. */
  readonly stateLength: number;
  setState(state: Float32Array): void;
  state(): Float32Array;
  theta(): Float32Array;
  setTheta(theta: Float32Array): void;
  /** @param features row-major rows x inputs; @param labels class numbers, one a row (or rows x outputs for regression) */
  loadShard(shard: number, features: Float32Array, labels: Int32Array | Float32Array): void;
  dropShard(shard: number): void;
  /** Sum (not mean) over the given rows of the shard, in one native call. */
  gradient(shard: number, rows: Int32Array): { gradient: Float32Array; lossSum: number };
  /** One optimizer step with the mean gradient; `step` counts from 1. */
  apply(meanGradient: Float32Array, step: number): void;
  /** Network outputs (class probabilities, or values), rows x outputs. */
  predict(features: Float32Array, rows: number): Float32Array;
  dispose(): void;
}
