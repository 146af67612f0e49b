import type { VectorKernels } from '../vector/kernels.js';
import { vectorKernels } from '../vector/vector-kernels.js';
import { type LinePoint, strongWolfe } from './line-search.js';

/** Pairs of vectors that are kept. */
export const DEFAULT_MEMORY = 10;

export interface LbfgsOptions {
  /** Corrections kept: each is two vectors. Default 10, as Spark's. */
  readonly memory?: number;
  /** Default 1e-6, as Spark's. 0 goes on until nothing improves. */
  readonly tolerance?: number;
  /** Default 100, as Spark's. */
  readonly maxIterations?: number;
  /** Default: native where compiled. */
  readonly kernels?: VectorKernels;
}

/** What is to be done next. */
export type LbfgsDecision =
  | {
      readonly done: false;
      /** Where the loss and its gradient are wanted; the same array every time. */
      readonly theta: Float32Array;
      /** Iterations finished so far; a line search takes one evaluation or more. */
      readonly iterations: number;
    }
  | {
      readonly done: true;
      /** The best found. */
      readonly theta: Float32Array;
      readonly loss: number;
      readonly iterations: number;
      /** `search-failed`: no step improves the loss any more; with float32 gradients that is how most searches end. */
      readonly reason: 'loss-converged' | 'gradient-converged' | 'iterations' | 'search-failed';
    };

/** After an iteration: enough to go on with the same bits. */
export interface LbfgsState {
  readonly iterations: number;
  /** Of the last iterations, the latest last, and of the beginning. */
  readonly losses: readonly number[];
  readonly initialLoss: number;
  readonly theta: Float32Array;
  readonly gradient: Float32Array;
  /** Oldest first: changes of theta and of the gradient. */
  readonly corrections: readonly (readonly [s: Float32Array, y: Float32Array])[];
}

interface Evaluation {
  readonly gradient: Float32Array;
  readonly loss: number;
}

/** Losses looked back at, as in Breeze. */
const WINDOW = 10;

/**
 * Limited-memory BFGS (Nocedal and Wright 2006, algorithms 7.4 and 7.5) as a state machine: somebody else computes the loss and
 * the mean gradient over all rows, as often as it asks. Line search and tests of convergence are Breeze's, which Spark's
 * LBFGS is. Converged: the loss differs from the highest of the last ten by at most `tolerance` times the first loss, or the
 * gradient's norm is at most `tolerance` times the loss.
 *
 * Vectors are float32, dots float64 sums over chunks in a fixed order: equal evaluations give equal bits on any machine.
 *
 * ```ts
 * const search = new Lbfgs(theta.length);
 * let decision = search.next(theta, ...lossAt(theta));
 * while (!decision.done) decision = search.next(decision.theta, ...lossAt(decision.theta));
 * ```
 */
export class Lbfgs {
  readonly #kernels: VectorKernels;
  readonly #memory: number;
  readonly #tolerance: number;
  readonly #maxIterations: number;
  readonly #theta: Float32Array;
  readonly #gradient: Float32Array;
  readonly #direction: Float32Array;
  readonly #trial: Float32Array;
  readonly #corrections: [Float32Array, Float32Array][] = [];
  #iterations = 0;
  #losses: number[] = [];
  #initialLoss = Number.NaN;
  #search: Generator<Float32Array, LbfgsDecision, Evaluation> | undefined;

  constructor(length: number, options: LbfgsOptions = {}) {
    const { memory = DEFAULT_MEMORY, tolerance = 1e-6, maxIterations = 100, kernels = vectorKernels() } = options;
    this.#kernels = kernels;
    this.#memory = memory;
    this.#tolerance = tolerance;
    this.#maxIterations = maxIterations;
    this.#theta = new Float32Array(length);
    this.#gradient = new Float32Array(length);
    this.#direction = new Float32Array(length);
    this.#trial = new Float32Array(length);
  }

  /**
   * @param theta where the loss was computed: the beginning at the first call, then what the last decision asked for
   * @param gradient of the mean loss; read until the call returns
   * @param loss in float64
   */
  next(theta: Float32Array, gradient: Float32Array, loss: number): LbfgsDecision {
    if (this.#search) return this.#decide(this.#search.next({ gradient, loss }));
    this.#theta.set(theta);
    this.#gradient.set(gradient);
    this.#losses = [loss];
    this.#initialLoss = loss;
    return this.#begin();
  }

  /** The state after the last finished iteration; undefined before the first evaluation. Its vectors are this object's own. */
  state(): LbfgsState | undefined {
    if (this.#losses.length === 0) return undefined;
    return {
      ...{ iterations: this.#iterations, losses: [...this.#losses], initialLoss: this.#initialLoss },
      ...{ theta: this.#theta, gradient: this.#gradient, corrections: this.#corrections },
    };
  }

  /** Goes on from a state, with the evaluation it asks for; a line search that was under way begins again. */
  resume(state: LbfgsState): LbfgsDecision {
    this.#theta.set(state.theta);
    this.#gradient.set(state.gradient);
    this.#iterations = state.iterations;
    this.#losses = [...state.losses];
    this.#initialLoss = state.initialLoss;
    this.#corrections.length = 0;
    for (const [s, y] of state.corrections) this.#corrections.push([s.slice(), y.slice()]);
    return this.#begin();
  }

  #begin(): LbfgsDecision {
    this.#search = this.#iterate();
    return this.#decide(this.#search.next());
  }

  #decide(result: IteratorResult<Float32Array, LbfgsDecision>): LbfgsDecision {
    if (result.done) return result.value;
    return { done: false, theta: result.value, iterations: this.#iterations };
  }

  *#iterate(): Generator<Float32Array, LbfgsDecision, Evaluation> {
    const { dot } = this.#kernels;
    for (;;) {
      const reason = this.#converged();
      if (reason) return this.#end(reason);
      this.#descend();
      const first = this.#corrections.length === 0 ? 1 / Math.sqrt(dot(this.#direction, this.#direction)) : 1;
      const origin = { t: 0, loss: this.#losses.at(-1)!, slope: dot(this.#gradient, this.#direction) };
      const found = yield* this.#along(origin, first);
      if (found) this.#accept(found);
      else if (this.#corrections.length > 0) this.#corrections.length = 0;
      else return this.#end('search-failed');
    }
  }

  /** The point that the line search accepts; the trial is there then. */
  *#along(origin: LinePoint, first: number): Generator<Float32Array, Evaluation | undefined, Evaluation> {
    if (!(origin.slope < 0)) return undefined;
    const search = strongWolfe(origin, first);
    let evaluation: Evaluation | undefined;
    for (let step = search.next(); ; ) {
      if (step.done) return step.value === undefined ? undefined : evaluation;
      this.#trial.set(this.#theta);
      this.#kernels.addScaled(this.#trial, step.value, this.#direction);
      evaluation = yield this.#trial;
      const slope = this.#kernels.dot(evaluation.gradient, this.#direction);
      step = search.next({ t: step.value, loss: evaluation.loss, slope });
    }
  }

  /** direction = -H · gradient, by the two loops (algorithm 7.4). */
  #descend(): void {
    const { dot, scale, addScaled } = this.#kernels;
    const q = this.#direction;
    q.set(this.#gradient);
    const shares: { readonly alpha: number; readonly product: number }[] = [];
    for (const [s, y] of this.#corrections.toReversed()) {
      const product = dot(s, y);
      const alpha = dot(s, q) / product;
      addScaled(q, -alpha, y);
      shares.unshift({ alpha, product });
    }
    const [s, y] = this.#corrections.at(-1) ?? [];
    if (s && y) scale(q, dot(s, y) / dot(y, y));
    this.#corrections.forEach(([s, y], i) => {
      const { alpha, product } = shares[i]!;
      addScaled(q, alpha - dot(y, q) / product, s);
    });
    scale(q, -1);
  }

  /** The trial becomes the state, its difference the latest correction, unless the loss is not convex along it. */
  #accept({ gradient, loss }: Evaluation): void {
    const { dot, addScaled } = this.#kernels;
    const length = this.#theta.length;
    const [s, y] = (this.#corrections.length === this.#memory ? this.#corrections.shift() : undefined) ?? [
      new Float32Array(length),
      new Float32Array(length),
    ];
    s.set(this.#trial);
    addScaled(s, -1, this.#theta);
    y.set(gradient);
    addScaled(y, -1, this.#gradient);
    if (dot(s, y) > 0) this.#corrections.push([s, y]);
    this.#theta.set(this.#trial);
    this.#gradient.set(gradient);
    this.#losses = [...this.#losses, loss].slice(-WINDOW);
    this.#iterations++;
  }

  #converged(): Extract<LbfgsDecision, { done: true }>['reason'] | undefined {
    const loss = this.#losses.at(-1)!;
    const norm = Math.sqrt(this.#kernels.dot(this.#gradient, this.#gradient));
    if (norm <= Math.max(this.#tolerance * Math.abs(loss), 1e-8)) return 'gradient-converged';
    const change = Math.abs(loss - Math.max(...this.#losses));
    if (this.#losses.length >= 2 && change <= this.#tolerance * Math.abs(this.#initialLoss)) return 'loss-converged';
    return this.#iterations >= this.#maxIterations ? 'iterations' : undefined;
  }

  #end(reason: Extract<LbfgsDecision, { done: true }>['reason']): LbfgsDecision {
    return { done: true, theta: this.#theta, loss: this.#losses.at(-1)!, iterations: this.#iterations, reason };
  }
}
