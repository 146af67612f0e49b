import { alignedFloats } from '../ps/float-bytes.js';
import { subtreeRoots } from '../ps/tree.js';
import type { Precision, SumRequest } from './backend.js';
import type { HeldShard } from './checks.js';
import { hasDropout } from './graph/network-graph.js';
import type { Call, GraphSession, Values } from './graph/session.js';
import { isStackable, type StackedShape, stackedGraph } from './graph/stacked-graph.js';
import { type Layout, layoutOf } from './layout.js';
import type { Network } from './network.js';

/** What a call gives: of each request, its subtree sums, and the losses of each batch's rows. */
export interface Outcome {
  readonly sums: readonly (readonly Float32Array[])[];
  readonly losses: readonly (readonly Float32Array[])[];
}

/**
 * Multiplications of the largest product up to which stacking pays: of 43-128-128-6 with 32 rows it takes a fifth off,
 * with 128 rows nothing, with 256 it costs.
 */
const MAX_PRODUCT = 2 ** 20;

/** Vectors of M networks, a tensor a parameter. */
type Stack = readonly Float32Array[];

interface Program {
  readonly call: Call;
  readonly theta: Stack;
  /** One a subtree sum. */
  readonly sums: readonly Stack[];
  /** By numbers of rows: whether the results have been found equal to those of the networks one by one. */
  readonly equal: Map<string, boolean>;
}

/**
 * Sums of many small networks by operations on all of them at once. The first results for every number of rows are
 * compared, bit by bit, with those of the networks one by one; where they differ, networks stay apart.
 */
export class StackedSums {
  readonly #layout: Layout;
  readonly #keyed: boolean;
  readonly #programs = new Map<string, Program>();
  /** Multiplications of the largest product with one row. */
  readonly #largest: number;

  constructor(
    readonly session: GraphSession<string>,
    readonly network: Network,
    readonly shards: ReadonlyMap<number, HeldShard>,
    readonly units: Precision | undefined,
  ) {
    this.#layout = layoutOf(network);
    this.#keyed = hasDropout(this.#layout);
    const kernels = this.#layout.parameters.filter(({ kind }) => kind === 'kernel');
    this.#largest = isStackable(this.#layout) ? Math.max(...kernels.map(({ size }) => size)) : Number.POSITIVE_INFINITY;
  }

  /**
   * @param apart the same, by networks one by one
   * @param keyOf dropout's words
   * @returns undefined where stacking cannot be, or does not pay
   */
  run(
    requests: readonly SumRequest[],
    step: number,
    G: number,
    apart: () => Outcome,
    keyOf: (seed: number) => Int32Array,
  ): Outcome | undefined {
    const [first, ...others] = requests as [SumRequest, ...SumRequest[]];
    if (others.length === 0 || !others.every((other) => alike(first, other))) return undefined;
    const counts = first.batches.map(({ rows }) => rows.length);
    if (Math.max(...counts) * this.#largest > MAX_PRODUCT) return undefined;
    const sameRows = others.every(({ batches }) => batches.every(({ rows }, i) => rows === first.batches[i]!.rows));
    const batches = first.batches.map(({ shard }) => ({
      shard,
      weighted: this.shards.get(shard)!.weights !== undefined,
    }));
    const program = this.#program({ networks: requests.length, batches, sameRows, shards: G });
    const rows = counts.join();
    if (program.equal.get(rows) === false) return undefined;
    const roots = subtreeRoots(
      first.batches.map(({ shard }) => shard),
      G,
    );
    const stacked = (into: (m: number, k: number) => Float32Array | undefined) => ({
      sums: requests.map((_, m) => roots.map((_, k) => into(m, k) ?? new Float32Array(this.#layout.length))),
      losses: this.#call(program, requests, step, sameRows, keyOf),
    });
    if (program.equal.has(rows)) {
      const outcome = stacked((m, k) => requests[m]!.into?.(roots[k]!));
      return this.#unstack(program, outcome);
    }
    const expected = apart();
    program.equal.set(
      rows,
      sameBits(
        this.#unstack(
          program,
          stacked(() => undefined),
        ),
        expected,
      ),
    );
    return expected;
  }

  #unstack({ sums: stacks }: Program, outcome: Outcome): Outcome {
    outcome.sums.forEach((vectors, m) => {
      vectors.forEach((vector, r) => {
        this.#layout.parameters.forEach(({ offset, size }, k) => {
          vector.set(stacks[r]![k]!.subarray(m * size, (m + 1) * size), offset);
        });
      });
    });
    return outcome;
  }

  /** Leaves the sums in the program's stacks. @returns losses */
  #call(
    { call, theta, sums }: Program,
    requests: readonly SumRequest[],
    step: number,
    sameRows: boolean,
    keyOf: (seed: number) => Int32Array,
  ): Outcome['losses'] {
    const M = requests.length;
    requests.forEach((request, m) => {
      this.#layout.parameters.forEach(({ offset, size }, k) => {
        theta[k]!.set(request.theta.subarray(offset, offset + size), m * size);
      });
    });
    const arrays: Values[] = [Int32Array.of(step)];
    const shapes: (readonly number[])[] = [[]];
    const feed = (values: Values, shape: readonly number[]) => {
      arrays.push(values);
      shapes.push(shape);
    };
    requests[0]!.batches.forEach(({ shard, rows }, i) => {
      const all = new Int32Array(M * rows.length);
      requests.forEach(({ batches }, m) => {
        all.set(batches[i]!.rows, m * rows.length);
      });
      feed(Int32Array.of(shard), []);
      if (sameRows) feed(rows, [1, rows.length]);
      else feed(all, [M, rows.length]);
      feed(all, [all.length]);
      if (this.#keyed) feed(Int32Array.of(rows.length), []);
    });
    if (this.#keyed) for (const { seed = 0 } of requests) feed(keyOf(seed), [2]);
    this.#layout.parameters.forEach(({ shape }, k) => {
      feed(theta[k]!, [M, ...shape]);
    });
    const taking = sums.flat();
    const losses = this.session.call(call, arrays, shapes, taking).slice(taking.length) as Float32Array[];
    return requests.map(({ batches }, m) => batches.map((_, i) => losses[i * M + m]!));
  }

  #program(shape: StackedShape): Program {
    const key = JSON.stringify(shape);
    const known = this.#programs.get(key);
    if (known) return known;
    const { nodes, signature } = stackedGraph(this.network, shape);
    const stack = () => this.#layout.parameters.map(({ size }) => alignedFloats(shape.networks * size));
    const roots = subtreeRoots(
      shape.batches.map(({ shard }) => shard),
      shape.shards,
    );
    const call = this.session.extend(nodes, { stacked: signature }, this.units).stacked;
    const program: Program = { call, theta: stack(), sums: roots.map(stack), equal: new Map() };
    this.#programs.set(key, program);
    return program;
  }
}

/** Whether two requests are for as many rows of the same shards. */
function alike(one: SumRequest, other: SumRequest): boolean {
  return (
    one.batches.length === other.batches.length &&
    one.batches.every(({ shard, rows }, i) => {
      const own = other.batches[i]!;
      return own.shard === shard && own.rows.length === rows.length;
    })
  );
}

function sameBits(one: Outcome, other: Outcome): boolean {
  const words = ({ buffer, byteOffset, length }: Float32Array) => new Int32Array(buffer, byteOffset, length);
  const all = ({ sums, losses }: Outcome) => [...sums.flat(), ...losses.flat()].map(words);
  const others = all(other);
  return all(one).every((values, i) => values.every((value, k) => value === others[i]![k]));
}
