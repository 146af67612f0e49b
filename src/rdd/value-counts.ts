import { identityOf, isPrimitive } from './keys.js';

/** A value for each key, keys compared by value: a Map knows primitives as they are, composite keys are found by their identity. */
export interface ByValue<V> {
  readonly primitive: Map<unknown, V>;
  /** The first key that was met stands for all equal ones. */
  readonly composite: Map<string, { readonly key: unknown; value: V }>;
}

export const nothingByValue = <V>(): ByValue<V> => ({ primitive: new Map(), composite: new Map() });

/** Merges a value into that of an equal key; changes `into`, and makes no object for a primitive key. */
export function mergeByValue<V>(into: ByValue<V>, key: unknown, value: V, merge: (a: V, b: V) => V): ByValue<V> {
  if (isPrimitive(key)) {
    const known = into.primitive.get(key);
    const first = known === undefined && !into.primitive.has(key);
    into.primitive.set(key, first ? value : merge(known as V, value));
    return into;
  }
  const identity = identityOf(key);
  const entry = into.composite.get(identity);
  if (entry) entry.value = merge(entry.value, value);
  else into.composite.set(identity, { key, value });
  return into;
}

/** One row more of an equal value: apart from `mergeByValue`, so that counting calls no function a row. */
export function countByValueInto(into: ByValue<number>, key: unknown): ByValue<number> {
  if (isPrimitive(key)) into.primitive.set(key, (into.primitive.get(key) ?? 0) + 1);
  else mergeByValue(into, key, 1, (a, b) => a + b);
  return into;
}

/** All of the parts, merged in order. */
export function mapOf<V>(parts: readonly ByValue<V>[], merge: (a: V, b: V) => V): Map<any, V> {
  const all = nothingByValue<V>();
  for (const { primitive, composite } of parts) {
    for (const [key, value] of primitive) mergeByValue(all, key, value, merge);
    for (const { key, value } of composite.values()) mergeByValue(all, key, value, merge);
  }
  return new Map<any, V>([
    ...all.primitive,
    ...[...all.composite.values()].map(({ key, value }) => [key, value] as const),
  ]);
}
