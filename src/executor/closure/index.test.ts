import { deserialize, serialize } from 'node:v8';
import { describe, expect, test } from 'vitest';
import {
  ClosureError,
  decodeValue,
  encodeValue,
  restoreFunction,
  type ShippedFunction,
  shipFunction,
} from './index.js';

/** What other processes do is tested in `test/closures`; here a function returns to where it came from. */
const through = <T>(fn: T): T => restoreFunction(deserialize(serialize(shipFunction(fn as () => void)))) as T;

describe('shipFunction', () => {
  test('tells name, kind, text and place', () => {
    const named = async (x: number): Promise<number> => x;
    expect(shipFunction(named)).toMatchObject({ name: 'named', async: true, source: String(named) });
    expect(shipFunction(named).where).toMatch(/src\/executor\/closure\/index\.test\.ts:\d+$/);
    expect(shipFunction(Math.abs).where).toBeUndefined();
  });

  test('reads captured variables each time', () => {
    let rate = 1;
    const f = (x: number): number => x * rate;
    const first = shipFunction(f);
    rate = 7;
    expect([first, shipFunction(f)].map((each) => restoreFunction(each)(2))).toEqual([2, 14]);
    expect(f(2)).toBe(14);
  });

  test('one literal, many closures', () => {
    const make = (k: number) => (x: number) => x + k;
    expect([1, 2, 3].map((k) => through(make(k))(10))).toEqual([11, 12, 13]);
  });

  test('a variable that hides a global, shipped twice', () => {
    // biome-ignore lint/suspicious/noShadowRestrictedNames: that is the point
    const escape = 5;
    const f = (): number => escape;
    expect([through(f)(), through(f)()]).toEqual([5, 5]);
  });

  test('a restored function can be shipped again', () => {
    const helper = (x: number): number => x + offset;
    const offset = 5;
    expect(through(through((x: number) => helper(x) * 2))(1)).toBe(12);
  });

  test('each restored function has variables of its own', () => {
    let n = 0;
    const count = (): number => ++n;
    const shipped = shipFunction(count);
    const [a, b] = [restoreFunction(shipped), restoreFunction(shipped)];
    expect([a!(), a!(), b!(), n]).toEqual([1, 2, 1, 0]);
  });

  test('reports large captured variables', () => {
    const weights = new Float64Array(200_000);
    const small = [1, 2, 3];
    expect(shipFunction(() => weights[0]! + small[0]!).large).toEqual([
      { name: 'weights', bytes: expect.closeTo(1.6e6, -3) },
    ]);
    expect(shipFunction(() => small)).not.toHaveProperty('large');
  });

  test('refuses with operator, place, variable and advice', () => {
    const options = { pending: [Promise.resolve(1)] };
    expect(() => shipFunction(() => options.pending.length, { operator: 'filter' })).toThrow(ClosureError);
    expect(() => shipFunction(() => options.pending.length, { operator: 'filter' })).toThrow(
      /^filter: the function \(src\/executor\/closure\/index\.test\.ts:\d+:\d+\) captures `options\.pending\[0\]`, which is a Promise .*: await it first/,
    );
  });

  test('names the way through several functions', () => {
    const table = new WeakMap();
    const inner = (): boolean => table.has({});
    const outer = { check: () => inner() };
    expect(() => shipFunction(() => outer.check())).toThrow(
      /captures `outer\.check → inner → table`, which is a WeakMap/,
    );
  });
});

describe('encodeValue', () => {
  class Reading {
    constructor(readonly value: number) {}
    doubled(): number {
      return this.value * 2;
    }
  }

  test.each<[name: string, value: unknown]>([
    ['primitives', [1, -0, Number.NaN, 10n, 'é', true, null, undefined]],
    ['rows', [{ a: 1, b: { c: [new Date(3), /x/g] } }, new Map([[1, new Set(['a'])]])]],
    ['binary data', [Float32Array.of(1, 2), new Uint8Array([3]).buffer, Buffer.from('x')]],
    ['instances', [new Reading(1), { deep: new Map([['r', new Reading(2)]]) }]],
    ['errors', Object.assign(new RangeError('far', { cause: 'x' }), { code: 3 })],
    ['a lone symbol', Symbol.for('sheaf.test')],
    ['undefined', undefined],
  ])('%s', (_, value) => {
    const back = decodeValue(encodeValue(value));
    expect(back).toEqual(value);
    if (value instanceof Error) expect(back).toMatchObject({ code: 3, cause: 'x', stack: value.stack });
  });

  test('plain data is what v8.serialize writes', () => {
    const rows = [{ a: 1 }, { a: 2, list: [1, 2] }];
    expect(encodeValue(rows)).toEqual(serialize(rows));
  });

  test('keeps shared references, cycles and classes', () => {
    const one = new Reading(1);
    const value: any = { one, again: one, f: (r: Reading) => r.doubled() };
    value.self = value;
    const back: any = decodeValue(encodeValue(value));
    expect(back.again).toBe(back.one);
    expect(back.self).toBe(back);
    expect(back.one).toBeInstanceOf(Reading);
    expect(back.f(back.one)).toBe(2);
  });

  test('says where in the value the trouble is', () => {
    expect(() => encodeValue({ rows: [{ ok: 1 }, { ok: new WeakSet() }] })).toThrow(
      /^the value holds `rows\[1\]\.ok`, which is a WeakSet/,
    );
    expect(() => encodeValue(new Proxy({}, {}))).toThrow(/^the value is a Proxy/);
  });

  test('refuses what is nested too deeply for the serialiser', () => {
    let deep: unknown = () => 1;
    for (let i = 0; i < 200_000; i++) deep = [deep];
    expect(() => encodeValue(deep)).toThrow(/nested too deeply/);
  });

  test('structured clone takes a shipped function', () => {
    const copy = structuredClone(shipFunction((x: number) => x + 1)) as ShippedFunction;
    expect(restoreFunction(copy)(1)).toBe(2);
  });
});
