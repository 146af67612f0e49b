/**
 * Tells two classes apart by gradient descent: each iteration maps the points to gradients and adds these up.
 *
 * Shows: cached rows, weights that each iteration captures anew, treeReduce of vectors.
 * Data: --points points (default 2,000) of 10 dimensions, labels +1 and -1, around +0.7 and -0.7 in each of them.
 * Expected: all weights positive and alike, at least 98 % of the points on the right side.
 */
import { parseArgs } from 'node:util';
import type { SheafContext } from 'sheaf';
import { normal, random } from './support/random.js';

const DIMENSIONS = 10;
const LEARNING_RATE = 0.5;

export interface LabelledPoint {
  readonly x: number[];
  readonly y: 1 | -1;
}

export default async function main(sc: SheafContext, args: string[]) {
  const { values } = parseArgs({
    args,
    options: { points: { type: 'string', default: '2000' }, iterations: { type: 'string', default: '10' } },
  });
  const points = sc.range(0, Number(values.points)).map(pointOf).cache();
  const count = await points.count();
  let weights: number[] = Array(DIMENSIONS).fill(0);
  for (let iteration = 0; iteration < Number(values.iterations); iteration++) {
    const gradient = await points.map((point) => gradientAt(weights, point)).treeReduce(plus);
    weights = weights.map((weight, d) => weight - (LEARNING_RATE * gradient[d]!) / count);
  }
  const right = await points.filter(({ x, y }) => dot(weights, x) * y > 0).count();
  return { weights, accuracy: right / count };
}

/** Of log(1 + exp(-y w x)). */
export function gradientAt(weights: readonly number[], { x, y }: LabelledPoint): number[] {
  const slope = (1 / (1 + Math.exp(-y * dot(weights, x))) - 1) * y;
  return x.map((value) => value * slope);
}

export function pointOf(i: number): LabelledPoint {
  const next = random(i);
  const y = i % 2 === 0 ? 1 : -1;
  return { y, x: Array.from({ length: DIMENSIONS }, () => normal(next) + 0.7 * y) };
}

export const plus = (a: readonly number[], b: readonly number[]) => a.map((value, d) => value + b[d]!);
export const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, d) => sum + value * b[d]!, 0);
