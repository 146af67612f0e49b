import type { GradientSum, TreeNode, ValueNode } from '../ps/tree.js';
import type { Network } from './network.js';
import type { CustomLoss } from './tfjs/custom-loss.js';

/**
 * Computes a network on one device. Two implementations: `tensorflow` (native graphs, CPU or CUDA) and `tfjs` (TF.js
 * ops on wasm: the portable fallback, and the cross-check of the first). Everything that crosses this interface is flat:
 * `theta`, all parameters in the network's layout, one Float32Array; a gradient another.
 */
export interface ComputeBackend {
  readonly name: 'tensorflow' | 'tfjs-wasm' | 'tfjs-webgpu';
  /** For people: `TensorFlow 2.21.0 (CPU, AVX512…)`. */
  readonly description: string;
  /** Equal fingerprints compute equal bits. */
  readonly fingerprint: string;
  readonly device: 'cpu' | 'gpu';
  /** Of a GPU slot that computes on its CPU because it may: why. */
  readonly shortfall?: string;
  /** Of WebAssembly that was chosen for want of native TensorFlow: why, and what to do. */
  readonly fallback?: string;
  /** @throws RangeError, TypeError for a network that makes no sense, as `checkNetwork` */
  compile(network: Network, options?: CompileOptions): Promise<CompiledNetwork>;
}

/**
 * Of what dense layers are computed in training; the weights themselves, gradients' sums, losses and normalisations are float32
 * in any case.
 * - `bf16`: factors of products are rounded to bfloat16 and accumulated in float32, as in `torch.autocast`. Without matrix units
 *   of Sheaf's own kernel (matrix-units.ts) so are biases, results and relu's values.
 */
export const PRECISIONS = ['float32', 'bf16'] as const;
export type Precision = (typeof PRECISIONS)[number];

export interface CompileOptions {
  /** Of training; predictions are float32. Default `float32`. */
  readonly precision?: Precision;
  /** In the place of the network's loss in gradients; both backends then compute operation by operation. */
  readonly loss?: CustomLoss;
}

/** A gradient shard's rows. */
export interface ShardData {
  /** Row-major, rows x inputs. */
  readonly features: Float32Array;
  /** Class numbers, one a row, or values, rows x outputs, row-major (see `labelKindOf`). */
  readonly labels: Int32Array | Float32Array;
  /** How much each row counts, at least 0. Default: 1 each. */
  readonly weights?: Float32Array;
  /**
   * The arrays are the network's from now on: nobody changes them, and it may compute with them where they are. `streamed`:
   * features lie in a mapped file that may be larger than memory, and are looked at row by row. Default: they are copied.
   */
  readonly given?: 'kept' | 'streamed';
}

/** Rows of a resident shard, by their numbers in it. */
export interface Batch {
  readonly shard: number;
  readonly rows: Int32Array;
}

/** Whose gradients are asked for, on which rows. */
export interface SumRequest {
  /** The weights to compute with; not kept. */
  readonly theta: Float32Array;
  /** One a shard, in ascending order. */
  readonly batches: readonly Batch[];
  /** Keys dropout, with step and shard. Default 0. */
  readonly seed?: number;
  /** Where a subtree's sum is to be written. Default: a new array. */
  into?(node: TreeNode): Float32Array | undefined;
}

/** A network whose training shards are resident in the device's memory. It holds no weights: they come with each call. */
export interface CompiledNetwork {
  /** Makes a shard resident, in place of what was loaded as this shard before. The arrays may be changed afterwards. */
  loadShard(shard: number, data: ShardData): void;
  dropShard(shard: number): void;
  /** These rows will be asked for soon: of shards that are streamed they begin to be read. */
  prefetch?(batches: readonly Batch[]): void;
  /**
   * For each request, the largest subtree sums that its shards give, in ascending order, in few native calls for all of
   * them. A shard's gradient has the bits it has alone, and sums those of the canonical tree (ps/tree.ts), whatever else
   * the call computes. A gradient is that of the sum of the rows' losses, each times its weight, in theta's layout; in the
   * place of a statistic: (moving - statistic of a shard's rows) x their weight. No rows: zeros.
   *
   * @param step updates made before; keys dropout
   * @param shards G, over which the tree stands
   */
  sums(requests: readonly SumRequest[], step: number, shards: number): ValueNode<GradientSum>[][];
  /** Network outputs (class probabilities, probabilities of labels, or values), rows x outputs. */
  predict(theta: Float32Array, features: Float32Array, rows: number): Float32Array;
  dispose(): void;
}

/** The gradient of one shard's rows alone. */
export function shardGradient(
  network: CompiledNetwork,
  theta: Float32Array,
  batch: Batch,
  { step = 0, seed }: { readonly step?: number; readonly seed?: number } = {},
): GradientSum {
  const [[node]] = network.sums([{ theta, batches: [batch], seed }], step, batch.shard + 1) as [
    [ValueNode<GradientSum>],
  ];
  return node.value;
}

/** Sums where a request wants them. */
export function moveInto(nodes: ValueNode<GradientSum>[], into: SumRequest['into']): ValueNode<GradientSum>[] {
  return nodes.map((node) => {
    const home = into?.(node);
    if (!home) return node;
    home.set(node.value.gradient);
    return { ...node, value: { ...node.value, gradient: home } };
  });
}
