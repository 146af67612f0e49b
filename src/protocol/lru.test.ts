import { expect, it } from 'vitest';
import { Lru } from './lru.js';

it('forgets what has not been asked for longest', () => {
  const map = new Lru<string, number>(2);
  map.set('a', 1);
  map.set('b', 2);
  expect(map.get('a')).toBe(1);
  map.set('c', 3);
  expect([map.get('a'), map.get('b'), map.get('c')]).toEqual([1, undefined, 3]);
});

it('forgets when what it holds weighs too much, and counts a replaced entry once', () => {
  const map = new Lru<string, string>(10, 10);
  map.set('a', 'x', 6);
  map.set('a', 'y', 6);
  map.set('b', 'z', 4);
  expect([map.size, map.get('a'), map.get('b')]).toEqual([2, 'y', 'z']);
  map.set('c', 'w', 7);
  expect([map.size, map.get('c')]).toEqual([1, 'w']);
  map.set('d', 'too much for any', 11);
  expect(map.size).toBe(0);
});
