import { expect, it } from 'vitest';
import { codeOf, restoreFunction, shipFunction } from './index.js';

const scaled = (factor: number) => shipFunction((x: number) => x * factor);

it('a function that comes again with other captured values is another closure of the same code', () => {
  const double = restoreFunction(scaled(2));
  const triple = restoreFunction(scaled(3));
  expect([double(5), triple(5)]).toEqual([10, 15]);
  expect(double).not.toBe(triple);
  expect(codeOf(double)).toBe(codeOf(triple));
});

it('functions of different text, or of different places, have different code', () => {
  const one = restoreFunction(shipFunction((x: number) => x + 1));
  const other = restoreFunction(shipFunction((x: number) => x + 1));
  expect(codeOf(one)).not.toBe(codeOf(other));
  expect(codeOf(Math.abs)).toBe(codeOf(restoreFunction(shipFunction(Math.abs))));
});

it('a function without state of its own is the same one again', () => {
  const one = restoreFunction(scaled(2));
  expect(restoreFunction(scaled(2))).toBe(one);
  expect(restoreFunction(scaled(3))).not.toBe(one);
  const square = (x: number) => x * x;
  const viaSquare = () => restoreFunction(shipFunction((x: number) => square(x) + 1));
  const [first, second] = [viaSquare(), viaSquare()];
  expect(second(3)).toBe(10);
  expect(codeOf(second)).toBe(codeOf(first));
});

it('a plain function that does not speak of itself is the same one again, and so is an arrow that calls it', () => {
  function cube(x: number) {
    return x ** 3;
  }
  const shippedTwice = (fn: (x: number) => number) => [0, 1].map(() => restoreFunction(shipFunction(fn)));
  for (const [first, second] of [shippedTwice(cube), shippedTwice((x) => cube(x))]) {
    expect(first).toBe(second);
    expect(first!(2)).toBe(8);
  }
  function later(this: { n: number }) {
    return this.n;
  }
  later.prototype.n = 1;
  const shipped = shipFunction(later);
  expect(restoreFunction(shipped)).not.toBe(restoreFunction(shipped));
});

it.each([
  ['a captured object', (state = { n: 0 }) => shipFunction(() => ++state.n)],
  ['a captured variable that it assigns', (n = 0) => shipFunction(() => ++n)],
  ['a property of its own', () => shipFunction(Object.assign(() => 1, { n: 0 }))],
  [
    'its own name',
    () =>
      shipFunction(function next(this: unknown): number {
        (next as any).n = ((next as any).n ?? 0) + 1;
        return (next as any).n;
      }),
  ],
])('a function with state in %s is another one each time', (_, ship) => {
  const shipped = ship();
  const [first, second] = [restoreFunction(shipped), restoreFunction(shipped)];
  expect(first).not.toBe(second);
  expect([first(), second()]).toEqual([1, 1]);
});

it('captured state is a fresh copy each time', () => {
  const seen: number[] = [];
  let calls = 0;
  const shipped = shipFunction((x: number) => {
    seen.push(x);
    calls++;
    return [calls, seen.length];
  });
  const first = restoreFunction(shipped);
  first(1);
  expect(first(2)).toEqual([2, 2]);
  expect(restoreFunction(shipped)(3)).toEqual([1, 1]);
});

it('a function that shares a variable with another keeps it to the two of them', () => {
  const shipped = () => {
    const pair = [restoreFunction(shipFunction(counter.next)), restoreFunction(shipFunction(counter.next))];
    return pair.map((next) => [next(), next()]);
  };
  expect(shipped()).toEqual([
    [1, 2],
    [1, 2],
  ]);
});

let total = 0;
const add = () => ++total;
const counter = { next: () => add() + 0 * total };
