import fc from 'fast-check';

/** Rows `[key, value]` cut into partitions at random, some of them empty. */
export type Parts<K, V> = [K, V][][];

/** Keys of the kinds that people use, few of each, so that they meet; NaN, -0 and composite ones among them. */
export const keys: fc.Arbitrary<any> = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: -3, max: 6 }) },
  { weight: 2, arbitrary: fc.constantFrom('a', 'b', 'ü', '') },
  fc.constantFrom(0.5, -0, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 40),
  fc.constantFrom(true, false, null, 3n),
  fc.constantFrom([1, 'x'], [1, 'y'], { day: 1, month: 2 }, { month: 2, day: 1 }, new Date(5)),
);

/** Keys of one kind, which have an order. */
export const ordered: fc.Arbitrary<any> = fc.constantFrom(
  fc.oneof(fc.integer({ min: -5, max: 5 }), fc.double()),
  fc.string({ maxLength: 2 }),
  fc.tuple(fc.integer({ min: 0, max: 2 }), fc.string({ maxLength: 1 })),
  fc.option(fc.integer({ min: -2, max: 2 })),
  fc.bigInt({ min: -2n, max: 2n }),
);

export function partsOf<K>(key: fc.Arbitrary<K>): fc.Arbitrary<Parts<K, number>> {
  const row = fc.tuple(key, fc.integer({ min: -50, max: 50 })) as fc.Arbitrary<[K, number]>;
  return fc.array(fc.array(row, { maxLength: 8 }), { minLength: 1, maxLength: 4 });
}

/** Equal for equal keys, as a user means it. */
export function identity(key: any): string {
  if (typeof key === 'number') return Object.is(key, -0) ? '0' : String(key);
  if (Array.isArray(key)) return `[${key.map(identity)}]`;
  if (key instanceof Date) return `date ${key.getTime()}`;
  if (typeof key === 'object' && key !== null)
    return `{${Object.keys(key)
      .sort()
      .map((name) => `${name}:${identity(key[name])}`)}}`;
  return `${typeof key} ${String(key)}`;
}

/** The values of each key, in order, by identity. */
export function groups<V>(rows: readonly (readonly [any, V])[]): Map<string, V[]> {
  const byKey = new Map<string, V[]>();
  for (const [key, value] of rows) byKey.set(identity(key), [...(byKey.get(identity(key)) ?? []), value]);
  return byKey;
}

/** Rows as texts, in an order of their own: for comparing what has no order. */
export function bag(rows: readonly unknown[]): string[] {
  return rows.map((row) => identity(row)).sort();
}
