import { describe, expect, it } from 'vitest';
import { openingsOf, restoreFunction, shipFunction } from './index.js';

const restored = (fn: (...args: any[]) => unknown) => restoreFunction(shipFunction(fn));

describe('a function that takes a pair apart', () => {
  it('takes the parts, with what it captured', () => {
    const factor = 3;
    const names: string[] = ['a'];
    const pair = openingsOf(restored(([key, value]) => [names, key, value * factor]))!;
    expect([pair.depth, pair.pair(1, 2)]).toEqual([1, [['a'], 1, 6]]);
    const nested = openingsOf(restored(([key, [left, right]]) => key + left * right * factor))!;
    expect([nested.depth, nested.pair(1, [2, 3]), nested.nested(1, 2, 3)]).toEqual([2, 19, 19]);
  });

  it.each([
    ['other patterns', ([key]: any) => key],
    ['defaults', ([key, value = 1]: any) => [key, value]],
    ['rests', ([key, ...rest]: any) => [key, rest]],
    ['objects', ([key, { left }]: any) => [key, left]],
    ['more parameters', ([key, value]: any, more: any) => [key, value, more]],
  ])('keeps its brackets with %s', (_, fn) => {
    expect(openingsOf(restored(fn))).toBeUndefined();
  });

  it('keeps its brackets where it counts its calls', () => {
    let calls = 0;
    expect(openingsOf(restored(([key, value]) => [key, value, calls++]))).toBeUndefined();
  });

  it('is called the same, and fails at the same place', () => {
    const failing = ([key, [left, right]]: any) => {
      if (key) throw new Error(`${left}${right}`);
    };
    const fn = restored(failing);
    const place = (call: () => void) => {
      try {
        call();
      } catch (error) {
        return (error as Error).stack!.split('\n')[1]!.replace(/\?\w+/, ''); // the number of the text
      }
      return undefined;
    };
    const { pair, nested } = openingsOf(fn)!;
    expect(place(() => fn([1, [2, 3]]))).toContain('failing');
    expect(place(() => pair(1, [2, 3]))).toBe(place(() => fn([1, [2, 3]])));
    expect(place(() => nested(1, 2, 3))).toBe(place(() => fn([1, [2, 3]])));
  });
});
