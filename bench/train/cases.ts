import { named } from '../common/options.js';

/** A training that every peer does in its own way; travels to the peers as JSON. */
export interface Case {
  readonly id: string;
  readonly title: string;
  /** Of the layers, inputs and outputs among them; hidden layers are relu, the loss is softmax cross-entropy. */
  readonly widths: readonly number[];
  /** Rows of a global step. */
  readonly batch: number;
  readonly precision: 'f32' | 'bf16';
  /** A multiple of `batch`: every step is a whole one, so that nobody compiles for a second shape. */
  readonly rows: number;
  /** Of one fit; the first is not counted as warm. */
  readonly epochs: number;
  readonly optimizer: Optimizer;
}

export type Optimizer =
  | { readonly kind: 'sgd'; readonly learningRate: number; readonly momentum: number }
  | { readonly kind: 'adam'; readonly learningRate: number };

const LARGE = [784, 512, 512, 10];
const SMALL = [784, 128, 64, 10];
/** The multilayer perceptron of the ann-benchmark for Spark, 12 M weights. */
const ANN = [784, 2500, 2000, 1500, 1000, 500, 10];

/** Steps of the whole training set of Fashion-MNIST, without its last, short one. */
const wholeSteps = (batch: number) => Math.floor(60_000 / batch);

/** @param quick a few steps an epoch, to see that all works */
export function casesOf(quick = false): Case[] {
  const make = (
    [id, widths, batch]: readonly [string, readonly number[], number],
    steps: number,
    epochs: number,
    learningRate: number,
    precision: Case['precision'] = 'f32',
  ): Case => ({
    id,
    title: `${widths.join('-')}, batch ${batch}${precision === 'f32' ? '' : `, ${precision}`}`,
    ...{ widths, batch, precision, epochs: quick ? Math.min(epochs, 3) : epochs },
    rows: batch * (quick ? Math.ceil(steps / 8) : steps),
    optimizer: { kind: 'sgd', learningRate, momentum: 0.9 },
  });
  return [
    make(['large', LARGE, 1024], wholeSteps(1024), 4, 0.02),
    make(['small', SMALL, 256], wholeSteps(256), 9, 0.01),
    make(['bf16', LARGE, 1024], wholeSteps(1024), 4, 0.02, 'bf16'),
    make(['ann', ANN, 1024], 8, 3, 0.01),
  ];
}

/** Training until the test data is told apart well enough. */
export interface Race {
  readonly case: Case;
  /** Share of the test rows. */
  readonly target: number;
  readonly maxEpochs: number;
}

export function raceOf(target: number): Race {
  const small = named('race', casesOf(), 'small');
  return {
    case: { ...small, id: 'race', rows: 60_000, batch: 240, optimizer: { kind: 'adam', learningRate: 1e-3 } },
    target,
    maxEpochs: 20,
  };
}

/**
 * Floating point operations for a row: two a weight in the forward pass, two for the kernel's gradient, and two for that
 * of the layer's inputs, which the first layer does without.
 */
export function flopPerRow(widths: readonly number[]): number {
  const products = widths.slice(1).map((width, layer) => 2 * width * widths[layer]!);
  return 3 * products.reduce((a, b) => a + b, 0) - products[0]!;
}
