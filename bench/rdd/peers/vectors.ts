/** Vector number `row`, as a task that computes a gradient would make it. */
export function vector(row: number, length: number): Float64Array {
  const values = new Float64Array(length);
  for (let i = 0; i < length; i++) values[i] = (row * 31 + i * 17) & 1023;
  return values;
}

/** Adds into `a`; empty is the zero. */
export function add(a: Float64Array, b: Float64Array): Float64Array {
  if (a.length === 0) return b;
  for (let i = 0; i < b.length; i++) a[i]! += b[i]!;
  return a;
}

/** One exact number of a whole vector, in which its order counts. */
export function digest(vector: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += vector[i]! * ((i % 1000) + 1);
  return sum;
}
