import type { CompiledNetwork, CompileOptions, ComputeBackend, ShardData, ShardGradient } from './backend.js';
import { checkLength, checkRows, type HeldShard, prepareShard, weightOf } from './checks.js';
import { tensorflowFingerprint } from './fingerprint.js';
import { type NetworkGraph, networkGraph } from './graph/network-graph.js';
import { scheduleAt } from './graph/optimizer-ops.js';
import { GraphSession } from './graph/session.js';
import { layoutOf } from './layout.js';
import { loadedVersion, loadNative, nativeState, type TensorFlow, usesGpu } from './native.js';
import type { Network } from './network.js';
import { slotCount } from './optimizer-step.js';
import type { OptimizerSpec } from './optimizers.js';

/**
 * Native TensorFlow: every call is one run of a compiled graph whose state and shards stay in the session.
 *
 * @throws Error when the native part is not installed or does not load
 */
export async function loadTensorFlowBackend(): Promise<ComputeBackend> {
  requestReproducibleGpu();
  const tf = await loadNative();
  const device = usesGpu(tf) ? 'gpu' : 'cpu';
  const fingerprint = tensorflowFingerprint(loadedVersion(tf), device);
  return {
    name: 'tensorflow',
    description: fingerprint.description,
    fingerprint: fingerprint.text,
    device,
    compile: async (network, optimizer, options) => new TensorFlowNetwork(tf, network, optimizer, options),
  };
}

/** A CUDA build must be told before it is loaded: kernels that add in a fixed order, and full float32 products. */
function requestReproducibleGpu(): void {
  const native = nativeState();
  if (!native.installed || native.device !== 'cuda') return;
  process.env.TF_DETERMINISTIC_OPS ??= '1';
  process.env.NVIDIA_TF32_OVERRIDE ??= '0';
}

/** State begins as zeros. Every method is synchronous and blocks the thread while it computes. */
export class TensorFlowNetwork implements CompiledNetwork {
  readonly stateLength: number;
  readonly #session: GraphSession<keyof NetworkGraph['signatures']>;
  readonly #length: number;
  readonly #shards = new Map<number, HeldShard>();
  readonly #network: Network;
  readonly #optimizer: OptimizerSpec;
  /** The memory that a variable uses, so that it is not collected. */
  readonly #held: Float32Array[] = [];

  constructor(tf: TensorFlow, network: Network, optimizer: OptimizerSpec, options?: CompileOptions) {
    const { nodes, signatures } = networkGraph(network, optimizer, options);
    this.#network = network;
    this.#optimizer = optimizer;
    this.#length = layoutOf(network).length;
    this.stateLength = this.#length * (1 + slotCount(optimizer));
    this.#session = new GraphSession(tf, nodes, signatures);
    this.setState(new Float32Array(this.stateLength));
  }

  setState(state: Float32Array): void {
    checkLength('state', state, this.stateLength);
    this.#session.run('setState', { state: { values: state, shape: [this.stateLength] } });
  }

  state(): Float32Array {
    return this.#session.run('state', {})[0] as Float32Array;
  }

  theta(): Float32Array {
    return this.#session.run('theta', {})[0] as Float32Array;
  }

  setTheta(theta: Float32Array): void {
    checkLength('theta', theta, this.#length);
    this.#session.run('setTheta', { theta: { values: theta, shape: [this.#length] } });
  }

  /** On the CPU, for memory aligned as TensorFlow wants it (64 bytes): the variable then is the array. */
  shareTheta(theta: Float32Array, scratch: Float32Array): boolean {
    checkLength('theta', theta, this.#length);
    checkLength('scratch', scratch, this.#length);
    const before = this.theta();
    scratch[0] = 1;
    this.#share(scratch);
    scratch[0] = 2;
    const follows = this.theta()[0] === 2;
    if (follows) this.#share(theta);
    else this.setTheta(before);
    return follows;
  }

  #share(values: Float32Array): void {
    this.#held.push(values);
    this.#session.run('shareTheta', { theta: { values, shape: [this.#length] } });
    this.#held.splice(0, this.#held.length - 1);
  }

  loadShard(shard: number, data: ShardData): void {
    const { rows, features, labels, labelShape, weights } = prepareShard(this.#network, shard, data);
    this.dropShard(shard);
    this.#session.run('loadShard', {
      shard: scalar(shard),
      features: { values: features, shape: [rows, this.#network.inputs] },
      labels: { values: labels, shape: labelShape },
      weights: vector(weights ?? new Float32Array(0)),
    });
    this.#shards.set(shard, { rows, weights });
  }

  dropShard(shard: number): void {
    if (this.#shards.delete(shard)) this.#session.run('dropShard', { shard: scalar(shard) });
  }

  gradient(shard: number, rows: Int32Array, step: number, into?: Float32Array): ShardGradient {
    const held = checkRows(this.#shards, shard, rows);
    if (rows.length === 0) return { gradient: into?.fill(0) ?? new Float32Array(this.#length), lossSum: 0, weight: 0 };
    const feeds = { shard: scalar(shard), rows: vector(rows), step: scalar(step) };
    const signature = held.weights ? 'weightedGradient' : 'gradient';
    const [gradient, losses] = this.#session.run(signature, feeds, [into]) as [Float32Array, Float32Array];
    return { gradient, lossSum: sum(losses), weight: weightOf(held, rows) };
  }

  apply(meanGradient: Float32Array, step: number): void {
    checkLength('gradient', meanGradient, this.#length);
    this.#session.run('apply', {
      gradient: { values: meanGradient, shape: [this.#length] },
      schedule: this.#scheduleAt(step),
    });
  }

  /**
   * Gradient over the rows, divided by their number, and the optimizer's step, in one call: for one shard alone.
   *
   * @param step counts from 1
   * @returns the sum of the rows' losses before the step
   */
  train(shard: number, rows: Int32Array, step: number): number {
    const held = checkRows(this.#shards, shard, rows);
    if (rows.length === 0) throw new RangeError(`a training step on shard ${shard} needs at least one row`);
    if (held.weights) throw new RangeError(`shard ${shard} has weights: a training step in one call knows none`);
    const feeds = {
      shard: scalar(shard),
      rows: vector(rows),
      step: scalar(step - 1),
      schedule: this.#scheduleAt(step),
    };
    return sum(this.#session.run('train', feeds)[0]!);
  }

  predict(features: Float32Array, rows: number): Float32Array {
    checkLength('features', features, rows * this.#network.inputs);
    if (rows === 0) return new Float32Array(0);
    const feed = { values: features, shape: [rows, this.#network.inputs] };
    return this.#session.run('predict', { features: feed })[0] as Float32Array;
  }

  dispose(): void {
    this.#session.dispose();
    this.#shards.clear();
  }

  #scheduleAt(step: number) {
    const values = scheduleAt(this.#optimizer, step);
    return { values, shape: [values.length] };
  }
}

function vector(values: Float32Array | Int32Array) {
  return { values, shape: [values.length] };
}

function scalar(value: number) {
  return { values: Int32Array.of(value), shape: [] };
}

/** In float64. */
function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}
