import { noteNeeded } from '../executor/warm-start.js';
import { nativeAddon } from '../native/addon.js';
import { addGradientSums, type GradientSum, mergeNodes, subtreeRoots, type ValueNode } from '../ps/tree.js';
import {
  type Batch,
  type CompiledNetwork,
  type CompileOptions,
  type ComputeBackend,
  moveInto,
  type Precision,
  type ShardData,
  type SumRequest,
} from './backend.js';
import { checkLength, checkRows, type HeldShard, prepareShard, weightOf } from './checks.js';
import { dropoutKey } from './dropout.js';
import { tensorflowFingerprint } from './fingerprint.js';
import { computeSoftmax } from './graph/losses.js';
import { hasDropout, type ResidentGraph, residentGraph, type SumsShape, sumsGraph } from './graph/network-graph.js';
import { type Call, GraphSession, type Values } from './graph/session.js';
import { type Layout, layoutOf } from './layout.js';
import { usesMatrixUnits } from './matrix-units.js';
import { loadLibrary, loadNative, nativeState, type TensorFlowLibrary } from './native.js';
import type { Network } from './network.js';
import { type Outcome, StackedSums } from './stacked-sums.js';
import { commonSubtree, SumsInParts } from './sums-in-parts.js';
import type { Tfjs } from './tfjs/activations.js';

/**
 * Native TensorFlow: every call is one run of a compiled graph whose shards stay in the session.
 *
 * @throws Error when the native part is not installed or does not load
 */
export async function loadTensorFlowBackend(): Promise<ComputeBackend> {
  const library = await warmUp();
  const device = library.gpu ? 'gpu' : 'cpu';
  computeSoftmax(device === 'gpu' ? 'composed' : 'fused');
  const fingerprint = tensorflowFingerprint(library.version, device, usesMatrixUnits(device));
  return {
    name: 'tensorflow',
    description: fingerprint.description,
    fingerprint: fingerprint.text,
    device,
    async compile(network, options) {
      // A function cannot be part of a graph: operation by operation, with this library's differentiation.
      if (options?.loss) {
        const { TfjsNetwork } = await import('./tfjs-backend.js');
        return new TfjsNetwork((await loadNative()) as unknown as Tfjs, network, options);
      }
      return new TensorFlowNetwork(library, network, options);
    },
  };
}

/** The library is most of what starting takes. A process in this one's place loads it in advance: see executor/warm-start.ts. */
export async function warmUp(): Promise<TensorFlowLibrary> {
  requestReproducibleGpu();
  const library = await loadLibrary();
  noteNeeded('mlp/tensorflow-backend');
  return library;
}

/** A CUDA build must be told before it is loaded: kernels that add in a fixed order, and full float32 products. */
function requestReproducibleGpu(): void {
  const native = nativeState();
  if (!native.installed || native.device !== 'cuda') return;
  process.env.TF_DETERMINISTIC_OPS ??= '1';
  process.env.NVIDIA_TF32_OVERRIDE ??= '0';
}

interface ResidentShard extends HeldShard {
  readonly streamed: boolean;
  /** Features and labels, where the session computes with these arrays. The weights' array is kept in any case. */
  readonly kept?: readonly Values[];
}

const SCALAR: readonly number[] = [];

/** Of a graph: operations of its own for each shard take about 7 ms to be made ready, and more in one graph gain nothing. */
const MAX_SHARDS = 64;

/**
 * Every method is synchronous and blocks the thread while it computes. Parameters are fed, each on its own: where they are
 * aligned TensorFlow reads them in place, and gradients are copied once, into the arrays that take them.
 */
export class TensorFlowNetwork implements CompiledNetwork {
  readonly #session: GraphSession<keyof ResidentGraph['signatures']>;
  readonly #layout: Layout;
  readonly #stacked: StackedSums | undefined;
  readonly #parts: SumsInParts;
  readonly #keyed: boolean;
  readonly #precision: Precision;
  /** Of products on matrix units, where there are some. */
  readonly #units: Precision | undefined;
  readonly #shards = new Map<number, ResidentShard>();
  readonly #programs = new Map<string, Call>();
  /** Vectors of theta's length, taken apart. */
  readonly #pieces = new WeakMap<Float32Array, readonly Float32Array[]>();
  readonly #keys = new Map<number, Int32Array>();

  constructor(
    library: TensorFlowLibrary,
    readonly network: Network,
    { precision = 'float32' }: Omit<CompileOptions, 'loss'> = {},
  ) {
    this.#units = usesMatrixUnits(library.gpu ? 'gpu' : 'cpu') ? precision : undefined;
    // A product on matrix units rounds by itself; all else is float32.
    this.#precision = this.#units ? 'float32' : precision;
    const { nodes, signatures } = residentGraph(network, this.#precision);
    this.#layout = layoutOf(network);
    this.#parts = new SumsInParts(this.#layout.length, MAX_SHARDS);
    this.#keyed = hasDropout(this.#layout);
    // Predictions are float32's.
    this.#session = new GraphSession(library, nodes, signatures, this.#units && 'float32');
    this.#stacked =
      this.#precision !== 'bf16' ? new StackedSums(this.#session, network, this.#shards, this.#units) : undefined;
  }

  loadShard(shard: number, data: ShardData): void {
    const { rows, features, labels, labelShape, weights } = prepareShard(this.network, shard, data);
    this.dropShard(shard);
    const signature = ({ kept: 'holdShard', streamed: 'streamShard', none: 'loadShard' } as const)[
      data.given ?? 'none'
    ];
    this.#session.run(signature, {
      shard: { values: Int32Array.of(shard), shape: SCALAR },
      features: { values: features, shape: [rows, this.network.inputs] },
      labels: { values: labels, shape: labelShape },
      weights: { values: weights ?? new Float32Array(0), shape: [weights?.length ?? 0] },
    });
    const streamed = data.given === 'streamed';
    this.#shards.set(shard, { rows, weights, streamed, ...(data.given && { kept: [features, labels] }) });
  }

  dropShard(shard: number): void {
    const held = this.#shards.get(shard);
    if (!held) return;
    this.#session.run(held.streamed ? 'dropStreamed' : 'dropShard', {
      shard: { values: Int32Array.of(shard), shape: SCALAR },
    });
    this.#shards.delete(shard);
  }

  prefetch(batches: readonly Batch[]): void {
    for (const { shard, rows } of batches) {
      const held = this.#shards.get(shard);
      if (held?.streamed) nativeAddon()!.willRead(held.kept![0] as Float32Array, this.network.inputs, rows);
    }
  }

  sums(requests: readonly SumRequest[], step: number, shards: number): ValueNode<GradientSum>[][] {
    for (const { theta, batches } of requests) {
      checkLength('theta', theta, this.#layout.length);
      for (const { shard, rows } of batches) checkRows(this.#shards, shard, rows);
    }
    return this.#parts.run(requests, shards, (part) => {
      // A sum of nothing is zeros, which no operation of a graph need be asked for.
      if (part.some(({ batches }) => batches.some(({ rows }) => rows.length === 0)))
        return part.map((request) => this.#oneByOne(request, step, shards));
      return this.#run(part, step, shards);
    });
  }

  #run(requests: readonly SumRequest[], step: number, shards: number): ValueNode<GradientSum>[][] {
    const apart = () => this.#apart(requests, step, shards);
    const stacked = this.#stacked?.run(requests, step, shards, apart, (seed) => this.#key(seed));
    const { sums, losses } = stacked ?? apart();
    return requests.map(({ batches }, m) => {
      const counts = batches.map(({ shard, rows }, i) => ({
        level: 0,
        index: shard,
        value: { rows: rows.length, lossSum: sum(losses[m]![i]!), weight: weightOf(this.#shards.get(shard)!, rows) },
      }));
      return mergeNodes(counts, shards, addCounts).map(({ level, index, value }, k) => ({
        ...{ level, index },
        value: { ...value, gradient: sums[m]![k]! },
      }));
    });
  }

  /** Operations of its own for each network and shard. */
  #apart(requests: readonly SumRequest[], step: number, shards: number): Outcome {
    const distinct = distinctBatches(requests);
    // Where they stand in the tree matters only below the node that covers them: subtrees of one form share a program.
    const { first, size } = commonSubtree(requests, shards);
    const batches = distinct.batches.map(({ shard }) => {
      const { weights, streamed } = this.#shards.get(shard)!;
      return { shard: shard - first, weighted: weights !== undefined, streamed };
    });
    const call = this.#program({ batches, networks: distinct.networks, shards: size });

    const arrays: Values[] = [Int32Array.of(step)];
    const shapes: (readonly number[])[] = [SCALAR];
    for (const { shard, rows } of distinct.batches) {
      arrays.push(Int32Array.of(shard), rows);
      shapes.push(SCALAR, [rows.length]);
    }
    const sums = requests.map(({ theta, seed = 0, batches, into }) => {
      if (this.#keyed) {
        arrays.push(this.#key(seed));
        shapes.push([2]);
      }
      arrays.push(...this.#piecesOf(theta));
      for (const { shape } of this.#layout.parameters) shapes.push(shape);
      const own = batches.map(({ shard }) => shard);
      return subtreeRoots(own, shards).map((root) => into?.(root) ?? new Float32Array(this.#layout.length));
    });
    const taking = sums.flat().flatMap((vector) => this.#piecesOf(vector));
    const losses = this.#session.call(call, arrays, shapes, taking).slice(taking.length) as Float32Array[];
    let at = 0;
    return { sums, losses: requests.map(({ batches }) => batches.map(() => losses[at++]!)) };
  }

  #oneByOne({ theta, seed, batches, into }: SumRequest, step: number, shards: number): ValueNode<GradientSum>[] {
    const leaves = batches.map((batch): ValueNode<GradientSum> => {
      const { shard, rows } = batch;
      const gradient = new Float32Array(this.#layout.length);
      const none = { gradient, lossSum: 0, rows: 0, weight: 0 };
      if (rows.length === 0) return { level: 0, index: shard, value: none };
      const [[node]] = this.#run([{ theta, seed, batches: [batch], into: () => gradient }], step, shard + 1) as [[any]];
      return { level: 0, index: shard, value: node.value };
    });
    return moveInto(mergeNodes(leaves, shards, addGradientSums), into);
  }

  predict(theta: Float32Array, features: Float32Array, rows: number): Float32Array {
    checkLength('theta', theta, this.#layout.length);
    checkLength('features', features, rows * this.network.inputs);
    if (rows === 0) return new Float32Array(0);
    const feeds = { features: { values: features, shape: [rows, this.network.inputs] } };
    const pieces = this.#piecesOf(theta);
    const parameters = this.#layout.parameters.map(({ name, shape }, i) => [name, { values: pieces[i]!, shape }]);
    return this.#session.run('predict', { ...feeds, ...Object.fromEntries(parameters) })[0] as Float32Array;
  }

  dispose(): void {
    this.#session.dispose();
    this.#shards.clear();
  }

  #program(shape: SumsShape): Call {
    const key = JSON.stringify(shape);
    let call = this.#programs.get(key);
    if (!call) {
      const { nodes, signature } = sumsGraph(this.network, shape, this.#precision);
      call = this.#session.extend(nodes, { sums: signature }, this.#units).sums;
      this.#programs.set(key, call);
    }
    return call;
  }

  #piecesOf(vector: Float32Array): readonly Float32Array[] {
    let pieces = this.#pieces.get(vector);
    if (!pieces) {
      pieces = this.#layout.parameters.map(({ offset, size }) => vector.subarray(offset, offset + size));
      this.#pieces.set(vector, pieces);
    }
    return pieces;
  }

  #key(seed: number): Int32Array {
    const known = this.#keys.get(seed);
    if (known) return known;
    const key = Int32Array.from(dropoutKey(seed), (word) => word | 0);
    this.#keys.set(seed, key);
    return key;
  }
}

/** Rows that several requests name by the same array are looked up once. */
function distinctBatches(requests: readonly SumRequest[]) {
  const batches: Batch[] = [];
  const places = new Map<Int32Array, readonly number[]>();
  const networks = requests.map((request) =>
    request.batches.map((batch) => {
      const known = places.get(batch.rows) ?? [];
      const place = known.find((at) => batches[at]!.shard === batch.shard);
      if (place !== undefined) return place;
      places.set(batch.rows, [...known, batches.length]);
      return batches.push(batch) - 1;
    }),
  );
  return { batches, networks };
}

type Counts = Omit<GradientSum, 'gradient'>;

function addCounts(left: Counts, right: Counts): Counts {
  return { rows: left.rows + right.rows, weight: left.weight + right.weight, lossSum: left.lossSum + right.lossSum };
}

/** In float64. */
function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}
